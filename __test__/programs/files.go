// A program in Go: files, directories and what it gets from outside. Its runtime sleeps and polls.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	for _, arg := range os.Args[1:] {
		fmt.Println("arg", arg)
	}
	fmt.Println("HOME", os.Getenv("HOME"))
	check(os.Mkdir("/new", 0o777))
	check(os.WriteFile("/new/file", make([]byte, 1<<20), 0o666))
	info, err := os.Stat("/new/file")
	check(err)
	fmt.Println("size", info.Size())
	check(os.Rename("/new/file", "/new/moved"))
	entries, err := os.ReadDir("/new")
	check(err)
	for _, entry := range entries {
		fmt.Println("entry", entry.Name())
	}
	check(os.RemoveAll("/new"))
	done := make(chan bool)
	go func() {
		time.Sleep(10 * time.Millisecond)
		done <- true
	}()
	<-done
	for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
		fmt.Println("stdin", scanner.Text())
	}
	os.Exit(200)
}
