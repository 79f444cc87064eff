// Says how tools that know no Population judge it: `health SCRIPT < objects`.
//
// Standard input is a JSON list of Kubernetes objects. For each it prints what kstatus computes, which Flux and others
// use, and what the Lua script says where it runs as Argo CD runs a health check: with the object as `obj`, and with
// the libraries that Argo CD opens.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Judged is what both say of an object.
type Judged struct {
	Kstatus        string `json:"kstatus"`
	KstatusMessage string `json:"kstatusMessage"`
	Argo           string `json:"argo"`
	ArgoMessage    string `json:"argoMessage"`
}

// https://github.com/argoproj/argo-cd/blob/master/util/lua/lua.go; its own `os` gives the time alone.
var libraries = map[string]lua.LGFunction{
	lua.LoadLibName: lua.OpenPackage,
	lua.BaseLibName: lua.OpenBase,
	lua.TabLibName:  lua.OpenTable,
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "health:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: health SCRIPT < objects")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	judged := []Judged{}
	for _, object := range objects {
		one, err := judge(object, string(script))
		if err != nil {
			return err
		}
		judged = append(judged, one)
	}
	return json.NewEncoder(os.Stdout).Encode(judged)
}

func judge(object []byte, script string) (Judged, error) {
	found := &unstructured.Unstructured{}
	if err := found.UnmarshalJSON(object); err != nil {
		return Judged{}, err
	}
	computed, err := status.Compute(found)
	if err != nil {
		return Judged{}, err
	}
	health, err := ask(found, script)
	if err != nil {
		return Judged{}, err
	}
	text := func(name string) string { return lua.LVAsString(health.RawGetString(name)) }
	return Judged{string(computed.Status), computed.Message, text("status"), text("message")}, nil
}

func ask(object *unstructured.Unstructured, script string) (*lua.LTable, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, name := range []string{lua.LoadLibName, lua.BaseLibName, lua.TabLibName} {
		open := lua.P{Fn: state.NewFunction(libraries[name]), NRet: 0, Protect: true}
		if err := state.CallByParam(open, lua.LString(name)); err != nil {
			return nil, err
		}
	}
	state.SetGlobal("obj", valueOf(state, object.Object))
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	health, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("the script returns no table")
	}
	return health, nil
}

func valueOf(state *lua.LState, value any) lua.LValue {
	switch known := value.(type) {
	case bool:
		return lua.LBool(known)
	case int64:
		return lua.LNumber(known)
	case float64:
		return lua.LNumber(known)
	case string:
		return lua.LString(known)
	case []any:
		table := state.NewTable()
		for _, item := range known {
			table.Append(valueOf(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for name, item := range known {
			table.RawSetString(name, valueOf(state, item))
		}
		return table
	}
	return lua.LNil
}
