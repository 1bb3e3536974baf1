// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
)

func metricExporter(ctx context.Context, c command) (sdkmetric.Exporter, error) {
	if c.Protocol == "grpc" {
		options := []otlpmetricgrpc.Option{otlpmetricgrpc.WithEndpointURL(c.Endpoint)}
		if c.Compression == "gzip" {
			options = append(options, otlpmetricgrpc.WithCompressor("gzip"))
		}
		return otlpmetricgrpc.New(ctx, options...)
	}
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(c.Endpoint + "/v1/metrics")}
	if c.Compression == "gzip" {
		options = append(options, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	}
	return otlpmetrichttp.New(ctx, options...)
}

func views() []sdkmetric.View {
	return []sdkmetric.View{
		sdkmetric.NewView(sdkmetric.Instrument{Name: "histogram"}, sdkmetric.Stream{
			Aggregation: sdkmetric.AggregationExplicitBucketHistogram{
				Boundaries: []float64{1, 10, 100}}}),
		sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"}, sdkmetric.Stream{
			Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{
				MaxSize: 160, MaxScale: 20}}),
	}
}

func recordPoints(ctx context.Context, meter metric.Meter, count int) error {
	sum, err1 := meter.Int64Counter("sum", metric.WithUnit("By"),
		metric.WithDescription("a sum"))
	updown, err2 := meter.Float64UpDownCounter("updown")
	gauge, err3 := meter.Float64Gauge("gauge", metric.WithUnit("Cel"))
	histogram, err4 := meter.Float64Histogram("histogram", metric.WithUnit("ms"))
	exponential, err5 := meter.Float64Histogram("exponential")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	for i := 0; i < count; i++ {
		attributes := metric.WithAttributes(attribute.Int("i", i),
			attribute.String("s", fmt.Sprintf("text-%d", i)))
		sum.Add(ctx, int64(i), attributes)
		sum.Add(ctx, 1, attributes)
		updown.Add(ctx, -(float64(i) + 0.5), attributes)
		gauge.Record(ctx, float64(i)+0.25, attributes)
		histogram.Record(ctx, float64(i)+0.5, attributes)
		histogram.Record(ctx, 50, attributes)
		for _, value := range []float64{math.Pow(2, float64(i%5)), 3, 0} {
			exponential.Record(ctx, value, attributes)
		}
	}
	return nil
}

func sendMetrics(ctx context.Context, c command, res *resource.Resource) error {
	exporter, err := metricExporter(ctx, c)
	if err != nil {
		return err
	}
	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(time.Hour))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res),
		sdkmetric.WithReader(reader), sdkmetric.WithView(views()...))
	meter := provider.Meter(scopeName, metric.WithInstrumentationVersion(scopeVersion))
	if err := recordPoints(ctx, meter, c.Count); err != nil {
		return err
	}
	return provider.Shutdown(ctx) // collects, once
}
