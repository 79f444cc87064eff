// A line fitted to noisy points by gradient descent: a member of a population without the SDK, in a folder.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

type object = map[string]any

// checkpoint is all that changes while training.
type checkpoint struct {
	Slope, Speed float64
	Random       []byte
}

var (
	location            = must(url.Parse(os.Getenv("PBT_LOCATION"))).Path // of file:///..., without its escapes
	member, incarnation = number("PBT_MEMBER"), number("PBT_INCARNATION")
	interval, total     = number("PBT_INTERVAL_STEPS"), number("PBT_TOTAL_STEPS")
	life, successor     = lifeName(incarnation), "births/" + lifeName(incarnation+1) + ".json"
	stop                = make(chan os.Signal, 1)
	state               checkpoint
	generator           rand.PCG
	trained             time.Duration // since the record before
	birth               struct {
		StartStep       int
		SeedRound       *uint64
		Source          *struct{ Checkpoint, Record string }
		Hyperparameters map[string]float64
	}
)

func main() {
	signal.Notify(stop, syscall.SIGTERM)
	read("births/"+life+".json", &birth)
	for name := range birth.Hyperparameters {
		if name != "rate" && name != "momentum" {
			fail(83, "there is no hyperparameter "+name)
		}
	}
	create("claims/"+life+".json", object{"pod": os.Getenv("PBT_POD"), "nonce": nonce(), "void": false})
	if birth.Source != nil {
		restore()
	}
	if birth.SeedRound != nil { // else random numbers go on as the checkpoint's
		generator.Seed(uint64(number("PBT_SEED")), *birth.SeedRound<<32+uint64(member))
	}
	for step := birth.StartStep + 1; step <= total; step++ {
		round := (step + interval - 1) / interval
		waitForGate(round)
		loss := train(birth.Hyperparameters["rate"], birth.Hyperparameters["momentum"])
		if step%interval == 0 || step == total {
			key := fmt.Sprintf("reports/%07d/%s.json", round, life)
			commit(key, object{"step": step, "round": round, "metrics": object{"loss": loss}})
		}
		if len(stop) > 0 {
			if !exists(successor) { // else the member goes on from elsewhere
				key := fmt.Sprintf("saves/%s/%012d.json", life, step)
				commit(key, object{"step": step, "round": nil, "metrics": object{}})
			}
			return
		}
	}
}

// train does a step, and returns how far the slope is from the true one.
func train(rate, momentum float64) float64 {
	began, random := time.Now(), rand.New(&generator)
	x := random.NormFloat64()
	y := 3*x + random.NormFloat64()/10
	state.Speed = momentum*state.Speed - rate*2*x*(state.Slope*x-y)
	state.Slope += state.Speed
	trained += time.Since(began)
	return (state.Slope - 3) * (state.Slope - 3)
}

// commit stores a checkpoint, and then the report or save without which it doesn't exist.
func commit(key string, record object) {
	state.Random = must(generator.MarshalBinary())
	data := encode(state)
	folder := fmt.Sprintf("checkpoints/%s/%012d-%s/", life, record["step"], nonce())
	write(folder+"state.json", data, os.Rename)
	record["checkpoint"] = folder
	record["files"] = []object{{"name": "state.json", "size": len(data), "sha256": checksum(data)}}
	record["hyperparameters"], record["seconds"] = birth.Hyperparameters, trained.Seconds()
	create(key, record)
	trained = 0
}

// restore takes over the checkpoint that the birth names, if it is what its record says.
func restore() {
	var record struct {
		Checkpoint string
		Files      []struct{ Sha256 string }
	}
	read(birth.Source.Record, &record)
	data := read(birth.Source.Checkpoint+"state.json", &state)
	if record.Checkpoint != birth.Source.Checkpoint || record.Files[0].Sha256 != checksum(data) {
		fail(1, birth.Source.Checkpoint+" isn't what its record says")
	}
	must(0, generator.UnmarshalBinary(state.Random))
}

var gate struct{ Number, UpTo int }

// waitForGate returns when the steps of a round may be trained, at SIGTERM, and where there is no gate at all.
func waitForGate(round int) {
	for {
		for exists(gateKey(gate.Number + 1)) {
			read(gateKey(gate.Number+1), &gate)
		}
		if exists(successor) {
			fail(81, "the member has a new birth")
		}
		if gate.Number == 0 || gate.UpTo >= round || len(stop) > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// create writes a record, once: where another process was first, this one has nothing to do here.
func create(key string, record object) {
	record["format"], record["member"], record["incarnation"] = 1, member, incarnation
	data := encode(record)
	write(key, data, os.Link) // which fails where there is a file
	var stored object
	if !bytes.Equal(read(key, &stored), data) {
		fail(81, "another process has written "+key)
	}
	if bell, err := net.Dial("unixgram", "@"+os.Getenv("PBT_BELL")); err == nil { // wakes the runner
		bell.Write([]byte{0})
		bell.Close()
	}
}

// write stores a whole file or none; what is on its way has a name that no key can have.
func write(key string, data []byte, place func(from, to string) error) {
	path := filepath.Join(location, key)
	os.MkdirAll(filepath.Dir(path), 0o777)
	file := must(os.CreateTemp(filepath.Dir(path), "tmp~"))
	_, err := file.Write(data)
	must(0, errors.Join(err, file.Sync(), file.Close()))
	place(file.Name(), path)
	os.Remove(file.Name())
}

func read(key string, into any) []byte {
	data := must(os.ReadFile(filepath.Join(location, key)))
	must(0, json.Unmarshal(data, into))
	return data
}

func exists(key string) bool {
	_, err := os.Stat(filepath.Join(location, key))
	return err == nil
}

func fail(code int, why string) {
	log.Print(why)
	os.Exit(code)
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err) // with exit code 1, a crash
	}
	return value
}

func encode(value any) []byte     { return must(json.Marshal(value)) }
func checksum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }
func nonce() string               { return fmt.Sprintf("%08x", rand.Uint32()) }
func lifeName(n int) string       { return fmt.Sprintf("%05d-%06d", member, n) }
func gateKey(n int) string        { return fmt.Sprintf("gates/%07d.json", n) }
func number(name string) int      { return must(strconv.Atoi(os.Getenv(name))) }
