// SPDX-License-Identifier: Apache-2.0

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.KeyValue;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.logs.LogRecordBuilder;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.exporter.otlp.logs.OtlpGrpcLogRecordExporter;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** The log records. */
final class Logs {
    private Logs() {}

    private static LogRecordExporter exporter(Clients.Command command) {
        if (command.isGrpc()) {
            return OtlpGrpcLogRecordExporter.builder().setEndpoint(command.endpoint())
                    .setCompression(command.compression()).build();
        }
        return OtlpHttpLogRecordExporter.builder().setEndpoint(command.endpoint() + "/v1/logs")
                .setCompression(command.compression()).build();
    }

    /** The body of record i; null for none. */
    private static Value<?> body(int i) {
        switch (i % 8) {
            case 0:
                return Value.of("text-" + i);
            case 1:
                return Value.of(i % 16 == 1);
            case 2:
                return Value.of((long) i);
            case 3:
                return Value.of(i + 0.5);
            case 4:
                return Value.of(ByteBuffer.allocate(6).putInt(i).put((byte) 0).put((byte) 0xff)
                        .array());
            case 5:
                return Value.of(Value.of("a"), Value.of((long) i), Value.of(true), Value.of(0.5));
            case 6:
                return Value.of(KeyValue.of("k", Value.of((long) i)), KeyValue.of("deep", Value.of(
                        KeyValue.of("list", Value.of(Value.of((long) i), Value.of("x"))))));
            default:
                return null;
        }
    }

    private static void sendRecord(Logger logger, int i) {
        LogRecordBuilder record = logger.logRecordBuilder()
                .setTimestamp(Clients.instant(i, 0), TimeUnit.NANOSECONDS)
                .setObservedTimestamp(Clients.instant(i, 5), TimeUnit.NANOSECONDS)
                .setContext(Clients.contextOf(Clients.remoteSpan(i + 1, TraceState.getDefault())))
                .setSeverity(Severity.values()[i % 24 + 1]).setSeverityText("S" + (i % 24 + 1))
                .setEventName("event-" + i)
                .setAttribute(Clients.NUMBER, (long) i).setAttribute(Clients.TEXT, "text-" + i)
                .setAttribute(AttributeKey.booleanKey("b"), i % 2 == 0)
                .setAttribute(AttributeKey.doubleKey("d"), i + 0.5)
                .setAttribute(AttributeKey.stringArrayKey("ss"), List.of("a", String.valueOf(i)));
        Value<?> body = body(i);
        if (body != null) {
            record.setBody(body);
        }
        record.emit();
    }

    static void send(Clients.Command command) {
        SdkLoggerProvider provider = SdkLoggerProvider.builder().setResource(Clients.resource())
                .addLogRecordProcessor(BatchLogRecordProcessor.builder(exporter(command)).build())
                .build();
        Logger logger = provider.loggerBuilder(Clients.SCOPE)
                .setInstrumentationVersion(Clients.SCOPE_VERSION).build();
        for (int i = 0; i < command.count(); i++) {
            sendRecord(logger, i);
        }
        Clients.await(provider.forceFlush());
        Clients.await(provider.shutdown());
    }
}
