package main

import (
	"os"

	"example.com/reverse"
)

var version = "none"

func main() {
	for _, word := range os.Args[1:] {
		print(reverse.String(word), " ")
	}
	println(version)
}
