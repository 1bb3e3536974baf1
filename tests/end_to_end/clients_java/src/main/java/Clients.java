// SPDX-License-Identifier: Apache-2.0

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.resources.Resource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Sends traces, metrics and logs with the Java SDK and its OkHttp sender, as told by lines of JSON
 * on standard input: {"endpoint", "protocol", "compression", "count"}; the answer to each is a line
 * "sent". What is sent is told in ../otlp_clients.py, which is the same for every language.
 */
final class Clients {
    static final String SCOPE = "weir.client";
    static final String SCOPE_VERSION = "1.2.3";
    static final long BASE_NS = 1_700_000_000_000_000_000L;
    static final AttributeKey<Long> NUMBER = AttributeKey.longKey("i");
    static final AttributeKey<String> TEXT = AttributeKey.stringKey("s");
    private static final Pattern MEMBER = Pattern.compile("\"(\\w+)\": ?\"?([^\",}]*)");
    private static final int FLUSH_S_MAX = 30;

    private Clients() {}

    /** One line of standard input; its values are plain texts and numbers. */
    record Command(String endpoint, String protocol, String compression, int count) {
        static Command parse(String line) {
            Map<String, String> members = new HashMap<>();
            Matcher matcher = MEMBER.matcher(line);
            while (matcher.find()) {
                members.put(matcher.group(1), matcher.group(2));
            }
            return new Command(members.get("endpoint"), members.get("protocol"),
                    members.get("compression"), Integer.parseInt(members.get("count")));
        }

        boolean isGrpc() {
            return protocol.equals("grpc");
        }
    }

    static Resource resource() {
        return Resource.getDefault().merge(Resource.create(Attributes.of(
                AttributeKey.stringKey("service.name"), "java",
                AttributeKey.longKey("test.count"), 7L)));
    }

    static long instant(int i, long nanoseconds) {
        return BASE_NS + i * 1_000_000L + nanoseconds;
    }

    /** A remote span that has this number as its ids. */
    static SpanContext remoteSpan(int number, TraceState state) {
        return SpanContext.createFromRemoteParent(String.format("%032x", number),
                String.format("%016x", number), TraceFlags.getSampled(), state);
    }

    static Context contextOf(SpanContext span) {
        return Context.root().with(Span.wrap(span));
    }

    static void await(CompletableResultCode result) {
        if (!result.join(FLUSH_S_MAX, TimeUnit.SECONDS).isSuccess()) {
            throw new IllegalStateException("not flushed");
        }
    }

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Command command = Command.parse(line);
            Traces.send(command);
            Metrics.send(command);
            Logs.send(command);
            System.out.println("sent");
        }
    }
}
