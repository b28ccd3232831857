package main

import (
	"fmt"
	"os"

	"example.com/reverse"
)

var version = "none"

func main() {
	for _, word := range os.Args[1:] {
		fmt.Print(reverse.String(word), " ")
	}
	fmt.Println(version)
}
