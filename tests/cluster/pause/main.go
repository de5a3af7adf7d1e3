// Pause is the first process of a pod: it holds the pod's namespaces, and waits for orphans.
//
// For tests of pods it does two more things. Given an address such as :8080, it answers "ready" there
// to whoever asks over HTTP. Given a URL, it ends as soon as somebody answers there.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	if len(os.Args) > 1 {
		if strings.HasPrefix(os.Args[1], "http") {
			ask(os.Args[1])
			return
		}
		go serve(os.Args[1])
	}
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
}

func serve(address string) {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, "ready")
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(address, nil))
}

func ask(url string) {
	client := http.Client{Timeout: 5 * time.Second}
	for {
		answer, failure := client.Get(url)
		if failure == nil {
			fmt.Println(answer.Status)
			return
		}
		fmt.Println(failure)
		time.Sleep(time.Second)
	}
}
