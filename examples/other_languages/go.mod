module pbt.dev/examples/line

go 1.22
