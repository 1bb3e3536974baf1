// SPDX-License-Identifier: Apache-2.0

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleGauge;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.DoubleUpDownCounter;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.metrics.OtlpGrpcMetricExporter;
import io.opentelemetry.sdk.metrics.Aggregation;
import io.opentelemetry.sdk.metrics.InstrumentSelector;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.SdkMeterProviderBuilder;
import io.opentelemetry.sdk.metrics.View;
import io.opentelemetry.sdk.metrics.export.MetricExporter;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import java.time.Duration;
import java.util.List;

/** The points of five metrics. */
final class Metrics {
    private Metrics() {}

    private static MetricExporter exporter(Clients.Command command) {
        if (command.isGrpc()) {
            return OtlpGrpcMetricExporter.builder().setEndpoint(command.endpoint())
                    .setCompression(command.compression()).build();
        }
        return OtlpHttpMetricExporter.builder().setEndpoint(command.endpoint() + "/v1/metrics")
                .setCompression(command.compression()).build();
    }

    private static void view(SdkMeterProviderBuilder builder, String name, Aggregation kind) {
        builder.registerView(InstrumentSelector.builder().setName(name).build(),
                View.builder().setAggregation(kind).build());
    }

    private static void record(Meter meter, int count) {
        LongCounter sum = meter.counterBuilder("sum").setUnit("By").setDescription("a sum").build();
        DoubleUpDownCounter updown = meter.upDownCounterBuilder("updown").ofDoubles().build();
        DoubleGauge gauge = meter.gaugeBuilder("gauge").setUnit("Cel").build();
        DoubleHistogram histogram = meter.histogramBuilder("histogram").setUnit("ms").build();
        DoubleHistogram exponential = meter.histogramBuilder("exponential").build();
        for (int i = 0; i < count; i++) {
            Attributes attributes = Attributes.of(Clients.NUMBER, (long) i,
                    Clients.TEXT, "text-" + i);
            sum.add(i, attributes);
            sum.add(1, attributes);
            updown.add(-(i + 0.5), attributes);
            gauge.set(i + 0.25, attributes);
            histogram.record(i + 0.5, attributes);
            histogram.record(50, attributes);
            for (double value : new double[] {Math.pow(2, i % 5), 3, 0}) {
                exponential.record(value, attributes);
            }
        }
    }

    static void send(Clients.Command command) {
        PeriodicMetricReader reader = PeriodicMetricReader.builder(exporter(command))
                .setInterval(Duration.ofHours(1)).build();
        SdkMeterProviderBuilder builder = SdkMeterProvider.builder()
                .setResource(Clients.resource()).registerMetricReader(reader);
        view(builder, "histogram", Aggregation.explicitBucketHistogram(List.of(1.0, 10.0, 100.0)));
        view(builder, "exponential", Aggregation.base2ExponentialBucketHistogram());
        SdkMeterProvider provider = builder.build();
        record(provider.meterBuilder(Clients.SCOPE)
                .setInstrumentationVersion(Clients.SCOPE_VERSION).build(), command.count());
        Clients.await(provider.shutdown()); // collects, once
    }
}
