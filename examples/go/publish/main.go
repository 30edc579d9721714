// Publishes what web requests say: go run ./publish [PORT]
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

var relay = "http://127.0.0.1:2046"
var secret = os.Getenv("FANFARE_SECRET") // that of the relay's --token-key secret:PATH, if it has one
var client = http.Client{Timeout: 5 * time.Second}

// token is for a minute in one room.
func token(user, room string) string {
	part := base64.RawURLEncoding.EncodeToString
	claims, _ := json.Marshal(map[string]any{"sub": user, "hear": []string{room},
		"speak": []string{room}, "exp": time.Now().Unix() + 60})
	signed := part([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + part(claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + part(mac.Sum(nil))
}

// publish publishes a message, once; except is the connection that does not get it, or empty.
func publish(user, room, message, except, key string) (answer []byte, err error) {
	query := ""
	if except != "" {
		query = "?except=" + url.QueryEscape(except)
	}
	for left := 3; left > 0; left-- {
		request, _ := http.NewRequest("POST", relay+"/"+url.PathEscape(room)+query, strings.NewReader(message))
		request.Header.Set("Content-Type", "text/plain; charset=utf-8")
		request.Header.Set("Idempotency-Key", key)
		if secret != "" {
			request.Header.Set("Authorization", "Bearer "+token(user, room))
		}
		var status int
		if answer, status, err = do(request); status == http.StatusOK {
			return answer, err
		}
		if status != 0 && status != 429 && (status < 502 || status > 504) {
			break
		}
		time.Sleep(time.Second)
	}
	return nil, err
}

// do asks; a status other than 200 is an error that says what the relay says.
func do(request *http.Request) ([]byte, int, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body) // to its end, so that the connection is kept
	if err != nil {
		return nil, 0, err
	}
	if response.StatusCode != http.StatusOK {
		err = fmt.Errorf("the relay answers %s: %s", response.Status, body)
	}
	return body, response.StatusCode, err
}

func say(response http.ResponseWriter, request *http.Request) {
	key := request.FormValue("key")
	if key == "" {
		random := make([]byte, 16)
		rand.Read(random)
		key = hex.EncodeToString(random)
	}
	// The signed-in user is from your session.
	answer, err := publish("ana", "news", request.FormValue("text"), request.FormValue("connection"), key)
	response.Header().Set("Content-Type", "application/json")
	if err != nil {
		answer, _ = json.Marshal(map[string]string{"error": err.Error()})
		response.WriteHeader(http.StatusBadGateway)
	}
	response.Write(answer)
}

func main() {
	if named := os.Getenv("FANFARE_URL"); named != "" {
		relay = named
	}
	port := "8000"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	http.Serve(listener, http.HandlerFunc(say))
}
