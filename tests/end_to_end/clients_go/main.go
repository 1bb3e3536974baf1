// SPDX-License-Identifier: Apache-2.0

// Command clients sends traces, metrics and logs with the Go SDK, as told by lines of JSON on
// standard input: {"endpoint", "protocol", "compression", "count"}; the answer to each is a line
// `sent`. What is sent is told in ../otlp_clients.py, which is the same for every language.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

type command struct {
	Endpoint    string `json:"endpoint"`
	Protocol    string `json:"protocol"`
	Compression string `json:"compression"`
	Count       int    `json:"count"`
}

const (
	scopeName    = "weir.client"
	scopeVersion = "1.2.3"
	baseSeconds  = 1_700_000_000
)

func clientResource() (*resource.Resource, error) {
	return resource.Merge(resource.Default(), resource.NewSchemaless(
		attribute.String("service.name", "go"), attribute.Int("test.count", 7)))
}

func run(line []byte) error {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return err
	}
	res, err := clientResource()
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, send := range []func(context.Context, command, *resource.Resource) error{
		sendTraces, sendMetrics, sendLogs} {
		if err := send(ctx, c, res); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := run(lines.Bytes()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("sent")
	}
}
