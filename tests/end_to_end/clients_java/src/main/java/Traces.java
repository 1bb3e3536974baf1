// SPDX-License-Identifier: Apache-2.0

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.trace.IdGenerator;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** The spans. */
final class Traces {
    private Traces() {}

    /** Numbers traces and spans from one. */
    private static final class CountingIds implements IdGenerator {
        private final AtomicLong traces = new AtomicLong();
        private final AtomicLong spans = new AtomicLong();

        @Override
        public String generateTraceId() {
            return String.format("%032x", traces.incrementAndGet());
        }

        @Override
        public String generateSpanId() {
            return String.format("%016x", spans.incrementAndGet());
        }
    }

    private static SpanExporter exporter(Clients.Command command) {
        if (command.isGrpc()) {
            return OtlpGrpcSpanExporter.builder().setEndpoint(command.endpoint())
                    .setCompression(command.compression()).build();
        }
        return OtlpHttpSpanExporter.builder().setEndpoint(command.endpoint() + "/v1/traces")
                .setCompression(command.compression()).build();
    }

    private static Attributes attributes(int i) {
        return Attributes.builder()
                .put(Clients.NUMBER, (long) i).put("large", (long) i << 40)
                .put("negative", -i - 1L).put(Clients.TEXT, "text-é-" + i).put("empty", "")
                .put("b", i % 2 == 0).put("d", i + 0.5).put("ss", "a", String.valueOf(i))
                .put("is", (long) i, -i - 1L).put("ds", i + 0.25, -0.5).put("bs", true, false)
                .build();
    }

    private static void sendSpan(Tracer tracer, int i) {
        SpanBuilder builder = tracer.spanBuilder("span-" + i)
                .setSpanKind(SpanKind.values()[i % 5])
                .setStartTimestamp(Clients.instant(i, 0), TimeUnit.NANOSECONDS)
                .setAllAttributes(attributes(i)).setParent(Context.root());
        if (i % 2 == 1) {
            TraceState parentState = TraceState.builder().put("parent", "p" + i).build();
            TraceState linkState = TraceState.builder().put("vendor", "v" + i).build();
            builder.setParent(Clients.contextOf(Clients.remoteSpan(i + 7000, parentState)));
            builder.addLink(Clients.remoteSpan(i + 5000, linkState),
                    Attributes.of(AttributeKey.longKey("l"), (long) i));
        }
        Span span = builder.startSpan();
        Attributes eventAttributes = Attributes.of(AttributeKey.longKey("n"), (long) i,
                AttributeKey.stringKey("what"), "one");
        span.addEvent("first", eventAttributes, Clients.instant(i, 100), TimeUnit.NANOSECONDS);
        span.addEvent("second", Clients.instant(i, 200), TimeUnit.NANOSECONDS);
        if (i % 3 == 1) {
            span.setStatus(StatusCode.OK);
        } else if (i % 3 == 2) {
            span.setStatus(StatusCode.ERROR, "failed " + i);
        }
        span.end(Clients.instant(i, (i + 1) * 1000L), TimeUnit.NANOSECONDS);
    }

    static void send(Clients.Command command) {
        SdkTracerProvider provider = SdkTracerProvider.builder()
                .setResource(Clients.resource()).setIdGenerator(new CountingIds())
                .addSpanProcessor(BatchSpanProcessor.builder(exporter(command)).build()).build();
        Tracer tracer = provider.tracerBuilder(Clients.SCOPE)
                .setInstrumentationVersion(Clients.SCOPE_VERSION).build();
        for (int i = 0; i < command.count(); i++) {
            sendSpan(tracer, i);
        }
        Clients.await(provider.forceFlush());
        Clients.await(provider.shutdown());
    }
}
