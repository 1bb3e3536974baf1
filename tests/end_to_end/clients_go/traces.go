// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// countingIDs numbers traces and spans from one.
type countingIDs struct {
	mutex         sync.Mutex
	traces, spans uint64
}

func (ids *countingIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	ids.mutex.Lock()
	ids.traces++
	number := ids.traces
	ids.mutex.Unlock()
	return traceID(number), ids.NewSpanID(ctx, trace.TraceID{})
}

func (ids *countingIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID {
	ids.mutex.Lock()
	defer ids.mutex.Unlock()
	ids.spans++
	return spanID(ids.spans)
}

func traceID(number uint64) (id trace.TraceID) {
	binary.BigEndian.PutUint64(id[8:], number)
	return id
}

func spanID(number uint64) (id trace.SpanID) {
	binary.BigEndian.PutUint64(id[:], number)
	return id
}

// remoteSpan has this number as its ids.
func remoteSpan(number int, state string) trace.SpanContext {
	parsed, err := trace.ParseTraceState(state)
	if err != nil {
		panic(err)
	}
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID(uint64(number)), SpanID: spanID(uint64(number)),
		TraceFlags: trace.FlagsSampled, TraceState: parsed, Remote: true})
}

func instant(i int, nanoseconds int) time.Time {
	return time.Unix(baseSeconds, int64(i)*1_000_000+int64(nanoseconds))
}

func spanExporter(ctx context.Context, c command) (sdktrace.SpanExporter, error) {
	if c.Protocol == "grpc" {
		options := []otlptracegrpc.Option{otlptracegrpc.WithEndpointURL(c.Endpoint)}
		if c.Compression == "gzip" {
			options = append(options, otlptracegrpc.WithCompressor("gzip"))
		}
		return otlptracegrpc.New(ctx, options...)
	}
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(c.Endpoint + "/v1/traces")}
	if c.Compression == "gzip" {
		options = append(options, otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
	}
	return otlptracehttp.New(ctx, options...)
}

func spanAttributes(i int) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int("i", i), attribute.Int64("large", int64(i)<<40),
		attribute.Int("negative", -i-1), attribute.String("s", fmt.Sprintf("text-é-%d", i)),
		attribute.String("empty", ""), attribute.Bool("b", i%2 == 0),
		attribute.Float64("d", float64(i)+0.5),
		attribute.StringSlice("ss", []string{"a", strconv.Itoa(i)}),
		attribute.IntSlice("is", []int{i, -i - 1}),
		attribute.Float64Slice("ds", []float64{float64(i) + 0.25, -0.5}),
		attribute.BoolSlice("bs", []bool{true, false}),
	}
}

func sendSpan(ctx context.Context, tracer trace.Tracer, i int) {
	kinds := []trace.SpanKind{trace.SpanKindInternal, trace.SpanKindServer, trace.SpanKindClient,
		trace.SpanKindProducer, trace.SpanKindConsumer}
	options := []trace.SpanStartOption{trace.WithSpanKind(kinds[i%5]),
		trace.WithTimestamp(instant(i, 0)), trace.WithAttributes(spanAttributes(i)...)}
	if i%2 == 1 {
		ctx = trace.ContextWithRemoteSpanContext(ctx,
			remoteSpan(i+7000, fmt.Sprintf("parent=p%d", i)))
		options = append(options, trace.WithLinks(trace.Link{
			SpanContext: remoteSpan(i+5000, fmt.Sprintf("vendor=v%d", i)),
			Attributes:  []attribute.KeyValue{attribute.Int("l", i)}}))
	}
	_, span := tracer.Start(ctx, fmt.Sprintf("span-%d", i), options...)
	span.AddEvent("first", trace.WithTimestamp(instant(i, 100)),
		trace.WithAttributes(attribute.Int("n", i), attribute.String("what", "one")))
	span.AddEvent("second", trace.WithTimestamp(instant(i, 200)))
	switch i % 3 {
	case 1:
		span.SetStatus(codes.Ok, "")
	case 2:
		span.SetStatus(codes.Error, fmt.Sprintf("failed %d", i))
	}
	span.End(trace.WithTimestamp(instant(i, (i+1)*1000)))
}

func sendTraces(ctx context.Context, c command, res *resource.Resource) error {
	exporter, err := spanExporter(ctx, c)
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res),
		sdktrace.WithIDGenerator(&countingIDs{}), sdktrace.WithBatcher(exporter))
	tracer := provider.Tracer(scopeName, trace.WithInstrumentationVersion(scopeVersion))
	for i := 0; i < c.Count; i++ {
		sendSpan(ctx, tracer, i)
	}
	if err := provider.ForceFlush(ctx); err != nil {
		return err
	}
	return provider.Shutdown(ctx)
}
