// Prints what is said in a room: go run ./listen http://127.0.0.1:2046/news
package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	address, id := "http://127.0.0.1:2046/", ""
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	for ; ; time.Sleep(3 * time.Second) { // a lost connection begins again behind its last message
		request, err := http.NewRequest("GET", address, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		request.Header.Set("Accept", "text/event-stream")
		if id != "" {
			request.Header.Set("Last-Event-ID", id)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		if response.StatusCode >= 400 && response.StatusCode < 500 {
			fmt.Fprintln(os.Stderr, "refused:", response.Status)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stderr, "listening to", address)
		name, data := "", []string(nil)
		reader := bufio.NewReader(response.Body)
		for line, err := reader.ReadString('\n'); err == nil; line, err = reader.ReadString('\n') {
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch field {
			case "id":
				id = value
			case "event":
				name = value
			case "data":
				data = append(data, value)
			case "": // the end of an event, or a comment
				if name != "" { // binary, a gap: docs/protocol.md has them
					fmt.Printf("(%s %s)\n", name, strings.Join(data, ""))
				} else if data != nil {
					fmt.Println(strings.Join(data, "\n"))
				}
				name, data = "", nil
			}
		}
		response.Body.Close()
		fmt.Fprintln(os.Stderr, "the connection ended")
	}
}
