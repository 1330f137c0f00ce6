// Sends odd events in the wire form of Segment's Go SDK and prints, one JSON object a line, what it sent.
//
//	client HOST KEY RUN ODD_JSON
//
// This is the SDK's form, not the SDK: its module is not among the pinned packages. What is real here is Go: the JSON encoder
// (`<` as \u003c, a lone surrogate as U+FFFD), the HTTP client, and the SDK's envelope: `{messageId, sentAt, batch, context}`, key in Basic
// alone, an endpoint with a closing slash giving `//v1/batch`, `context: null`, anything from 300 up sent again.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"time"
)

const batchEvents = 40

type event map[string]any

type client struct {
	host, key, run string
	count          int
	batch          []event
}

func main() {
	c := &client{host: os.Args[1] + "/", key: os.Args[2], run: os.Args[3]}
	odd := map[string]any{}
	text, err := os.ReadFile(os.Args[4])
	check(err)
	check(json.Unmarshal(text, &odd))

	for name, value := range odd {
		c.track("Odd: "+name, map[string]any{"name": name, "value": value})
	}
	c.send(event{"type": "identify", "traits": odd, "anonymousId": c.run + "-anonymous"})
	c.send(event{"type": "page", "name": "Odd ☃", "properties": odd})
	c.send(event{"type": "screen", "name": "Odd ☃", "properties": odd})
	c.send(event{"type": "group", "groupId": c.run + "-group", "traits": odd})
	c.send(event{"type": "alias", "previousId": c.run + "-before"})
	c.send(event{"type": "track", "event": "Own address", "context": map[string]any{"ip": "203.0.113.7"}})
	c.track("Largest numbers", map[string]any{"signed": math.MinInt64, "unsigned": uint64(math.MaxUint64), "float": math.MaxFloat64})
	c.track("Bytes and moments", map[string]any{"bytes": []byte{0, 255}, "at": time.Date(2026, 2, 28, 23, 59, 59, 999, time.UTC)})
	c.track("Big", map[string]any{"text": strings.Repeat("x", 20_000)})
	for n := 0; n < 300; n++ {
		c.track("Many", map[string]any{"n": n})
	}
	c.flush()
}

func (c *client) track(name string, properties map[string]any) {
	c.send(event{"type": "track", "event": name, "properties": properties})
}

func (c *client) send(e event) {
	e["messageId"] = fmt.Sprintf("%s-%d", c.run, c.count)
	e["userId"] = c.run + "-user"
	c.count++
	line, err := json.Marshal(e)
	check(err)
	fmt.Println(string(line))
	e["timestamp"] = time.Now().UTC()
	if c.batch = append(c.batch, e); len(c.batch) == batchEvents {
		c.flush()
	}
}

func (c *client) flush() {
	if len(c.batch) == 0 {
		return
	}
	body, err := json.Marshal(map[string]any{
		"messageId": fmt.Sprintf("%s-batch-%d", c.run, c.count), "sentAt": time.Now().UTC(), "batch": c.batch, "context": nil,
	})
	check(err)
	c.batch = nil
	for try := 0; ; try++ {
		if try == 10 {
			check(fmt.Errorf("not delivered in %d tries", try))
		}
		if try > 0 {
			time.Sleep(100 * time.Millisecond << try) // the SDK's own backoff
		}
		request, err := http.NewRequest("POST", c.host+"/v1/batch", bytes.NewReader(body))
		check(err)
		request.Header.Set("User-Agent", "analytics-go (version: 3.0.0)")
		request.Header.Set("Content-Type", "application/json")
		request.SetBasicAuth(c.key, "")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		answer, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode < 300 {
			return
		}
		fmt.Fprintln(os.Stderr, response.StatusCode, string(answer))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
