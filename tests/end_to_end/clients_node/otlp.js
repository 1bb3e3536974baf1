// SPDX-License-Identifier: Apache-2.0
// Sends traces, metrics and logs with the JavaScript SDK, as told by lines of JSON on standard
// input: {"endpoint", "protocol", "compression", "count"}; the answer to each is a line `sent`.
// What is sent is told in ../otlp_clients.py, which is the same for every language.
'use strict';

const readline = require('node:readline');
const {SpanKind, SpanStatusCode, TraceFlags, ROOT_CONTEXT, ValueType, createTraceState,
       trace} = require('@opentelemetry/api');
const {resourceFromAttributes, defaultResource} = require('@opentelemetry/resources');
const {BasicTracerProvider, BatchSpanProcessor} = require('@opentelemetry/sdk-trace-base');
const {AggregationType, MeterProvider,
       PeriodicExportingMetricReader} = require('@opentelemetry/sdk-metrics');
const {BatchLogRecordProcessor, LoggerProvider} = require('@opentelemetry/sdk-logs');

const PACKAGES = {'grpc': 'grpc', 'http/protobuf': 'proto', 'http/json': 'http'};
const CLASSES = {traces: 'OTLPTraceExporter', metrics: 'OTLPMetricExporter',
                 logs: 'OTLPLogExporter'};
const BASE_S = 1700000000;
const KINDS = [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER,
               SpanKind.CONSUMER];
const resource = defaultResource().merge(
    resourceFromAttributes({'service.name': 'node', 'test.count': 7}));

function exporterFor(command, signal) {
  const kind = signal === 'traces' ? 'trace' : signal;
  const found = require(`@opentelemetry/exporter-${kind}-otlp-${PACKAGES[command.protocol]}`);
  const url = command.protocol === 'grpc' ? command.endpoint : `${command.endpoint}/v1/${signal}`;
  return new found[CLASSES[signal]]({url, compression: command.compression});
}

function hex(number, digits) {
  return number.toString(16).padStart(digits, '0');
}

function spanContext(number) {
  return {traceId: hex(number, 32), spanId: hex(number, 16), traceFlags: TraceFlags.SAMPLED,
          isRemote: true};
}

// Item i happens i milliseconds and some nanoseconds after the base.
function instant(i, nanoseconds) {
  const total = (i % 1000) * 1e6 + nanoseconds;
  return [BASE_S + Math.floor(i / 1000) + Math.floor(total / 1e9), total % 1e9];
}

function countingIds() {
  let traceNumber = 0;
  let spanNumber = 0;
  return {
    generateTraceId: () => hex(++traceNumber, 32),
    generateSpanId: () => hex(++spanNumber, 16),
  };
}

function spanAttributes(i) {
  return {
    'i': i, 'large': i * 2 ** 40, 'negative': -i - 1, 's': `text-é-${i}`, 'empty': '',
    'b': i % 2 === 0, 'd': i + 0.5, 'ss': ['a', String(i)], 'is': [i, -i - 1],
    'ds': [i + 0.25, -0.5], 'bs': [true, false],
  };
}

function sendSpan(tracer, i) {
  const isChild = i % 2 === 1;
  const context = {...spanContext(i + 5000), traceState: createTraceState(`vendor=v${i}`)};
  const remote = {...spanContext(i + 7000), traceState: createTraceState(`parent=p${i}`)};
  const parent = isChild ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
  const span = tracer.startSpan(`span-${i}`, {
    kind: KINDS[i % 5], startTime: instant(i, 0), attributes: spanAttributes(i),
    links: isChild ? [{context, attributes: {l: i}}] : [],
  }, parent);
  span.addEvent('first', {n: i, what: 'one'}, instant(i, 100));
  span.addEvent('second', instant(i, 200));
  if (i % 3 === 1) {
    span.setStatus({code: SpanStatusCode.OK});
  } else if (i % 3 === 2) {
    span.setStatus({code: SpanStatusCode.ERROR, message: `failed ${i}`});
  }
  span.end(instant(i, (i + 1) * 1000));
}

async function sendTraces(command) {
  const processor = new BatchSpanProcessor(exporterFor(command, 'traces'));
  const provider = new BasicTracerProvider(
      {resource, idGenerator: countingIds(), spanProcessors: [processor]});
  const tracer = provider.getTracer('weir.client', '1.2.3');
  for (let i = 0; i < command.count; i++) {
    sendSpan(tracer, i);
  }
  await provider.forceFlush();
  await provider.shutdown();
}

const VIEWS = [
  {instrumentName: 'histogram', aggregation: {
    type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM, options: {boundaries: [1, 10, 100]}}},
  {instrumentName: 'exponential', aggregation: {
    type: AggregationType.EXPONENTIAL_HISTOGRAM}},
];

async function sendMetrics(command) {
  const reader = new PeriodicExportingMetricReader(
      {exporter: exporterFor(command, 'metrics'), exportIntervalMillis: 3600000});
  const provider = new MeterProvider({resource, readers: [reader], views: VIEWS});
  const meter = provider.getMeter('weir.client', '1.2.3');
  const sum = meter.createCounter(
      'sum', {unit: 'By', description: 'a sum', valueType: ValueType.INT});
  const updown = meter.createUpDownCounter('updown');
  const gauge = meter.createGauge('gauge', {unit: 'Cel'});
  const histogram = meter.createHistogram('histogram', {unit: 'ms'});
  const exponential = meter.createHistogram('exponential');
  for (let i = 0; i < command.count; i++) {
    const attributes = {i, s: `text-${i}`};
    sum.add(i, attributes);
    sum.add(1, attributes);
    updown.add(-(i + 0.5), attributes);
    gauge.record(i + 0.25, attributes);
    histogram.record(i + 0.5, attributes);
    histogram.record(50, attributes);
    for (const value of [2 ** (i % 5), 3, 0]) {
      exponential.record(value, attributes);
    }
  }
  await provider.shutdown(); // collects, once
}

// The JSON serialiser of this SDK writes bytes as an object, which is no OTLP: a text instead.
function bodyOf(i, hasBytes) {
  const buffer = Buffer.alloc(6);
  buffer.writeUInt32BE(i, 0);
  buffer[5] = 0xff;
  const raw = hasBytes ? new Uint8Array(buffer) : `text-${i}`;
  return [`text-${i}`, i % 16 === 1, i, i + 0.5, raw, ['a', i, true, 0.5],
          {k: i, deep: {list: [i, 'x']}}, undefined][i % 8];
}

async function sendLogs(command) {
  const processor = new BatchLogRecordProcessor(exporterFor(command, 'logs'));
  const provider = new LoggerProvider({resource, processors: [processor]});
  const logger = provider.getLogger('weir.client', '1.2.3');
  for (let i = 0; i < command.count; i++) {
    logger.emit({
      timestamp: instant(i, 0), observedTimestamp: instant(i, 5),
      context: trace.setSpanContext(ROOT_CONTEXT, spanContext(i + 1)),
      severityNumber: i % 24 + 1, severityText: `S${i % 24 + 1}`,
      body: bodyOf(i, command.protocol !== 'http/json'),
      eventName: `event-${i}`,
      attributes: {i, s: `text-${i}`, b: i % 2 === 0, d: i + 0.5, ss: ['a', String(i)]},
    });
  }
  await provider.forceFlush();
  await provider.shutdown();
}

async function main() {
  for await (const line of readline.createInterface({input: process.stdin})) {
    const command = JSON.parse(line);
    await sendTraces(command);
    await sendMetrics(command);
    await sendLogs(command);
    console.log('sent');
  }
}

main();
