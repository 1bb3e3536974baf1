// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

func logExporter(ctx context.Context, c command) (sdklog.Exporter, error) {
	if c.Protocol == "grpc" {
		options := []otlploggrpc.Option{otlploggrpc.WithEndpointURL(c.Endpoint)}
		if c.Compression == "gzip" {
			options = append(options, otlploggrpc.WithCompressor("gzip"))
		}
		return otlploggrpc.New(ctx, options...)
	}
	options := []otlploghttp.Option{otlploghttp.WithEndpointURL(c.Endpoint + "/v1/logs")}
	if c.Compression == "gzip" {
		options = append(options, otlploghttp.WithCompression(otlploghttp.GzipCompression))
	}
	return otlploghttp.New(ctx, options...)
}

func bodyOf(i int) log.Value {
	text := fmt.Sprintf("text-%d", i)
	switch i % 8 {
	case 0:
		return log.StringValue(text)
	case 1:
		return log.BoolValue(i%16 == 1)
	case 2:
		return log.IntValue(i)
	case 3:
		return log.Float64Value(float64(i) + 0.5)
	case 4:
		return log.BytesValue(append(binary.BigEndian.AppendUint32(nil, uint32(i)), 0, 0xff))
	case 5:
		return log.SliceValue(log.StringValue("a"), log.IntValue(i), log.BoolValue(true),
			log.Float64Value(0.5))
	case 6:
		list := log.Slice("list", log.IntValue(i), log.StringValue("x"))
		return log.MapValue(log.Int("k", i), log.Map("deep", list))
	}
	return log.Value{}
}

func record(i int) log.Record {
	var made log.Record
	made.SetTimestamp(instant(i, 0))
	made.SetObservedTimestamp(instant(i, 5))
	made.SetSeverity(log.Severity(i%24 + 1))
	made.SetSeverityText(fmt.Sprintf("S%d", i%24+1))
	made.SetEventName(fmt.Sprintf("event-%d", i))
	made.SetBody(bodyOf(i))
	made.AddAttributes(log.Int("i", i), log.String("s", fmt.Sprintf("text-%d", i)),
		log.Bool("b", i%2 == 0), log.Float64("d", float64(i)+0.5),
		log.Slice("ss", log.StringValue("a"), log.StringValue(strconv.Itoa(i))))
	return made
}

func sendLogs(ctx context.Context, c command, res *resource.Resource) error {
	exporter, err := logExporter(ctx, c)
	if err != nil {
		return err
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithResource(res),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
	logger := provider.Logger(scopeName, log.WithInstrumentationVersion(scopeVersion))
	for i := 0; i < c.Count; i++ {
		logger.Emit(trace.ContextWithSpanContext(ctx, remoteSpan(i+1, "")), record(i))
	}
	if err := provider.ForceFlush(ctx); err != nil {
		return err
	}
	return provider.Shutdown(ctx)
}
