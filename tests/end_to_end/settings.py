# SPDX-License-Identifier: Apache-2.0
"""Configurations as dictionaries: what a test says is what differs from these."""

import yaml

SIGNALS = ("traces", "metrics", "logs")

# A window that ends only when weir does: every series then leaves as exactly one point. Windows
# end at multiples of their length, so a day would end at midnight; this one ends in May 2033.
ONE_WINDOW = "2000000000s"


def listener(address, transport="udp"):
    """A listener on a loopback port, or on a path."""
    if isinstance(address, int):
        host = "[::1]" if transport.endswith("6") else "127.0.0.1"
        address = f"{host}:{address}"
    return {"endpoint": str(address), "transport": transport}


def statsd(address, transport="udp", **keys):
    return {**listener(address, transport), "aggregation_interval": ONE_WINDOW, **keys}


def otlphttp(sink, **keys):
    retry = {"initial_interval": "100ms", "max_interval": "500ms"}
    return {"endpoint": sink.url, "compression": "none", "retry_on_failure": retry, **keys}


def otlp_grpc(upstream, **keys):
    retry = {"initial_interval": "100ms", "max_interval": "500ms"}
    return {"endpoint": upstream.address, "compression": "none", "tls": {"insecure": True},
            "retry_on_failure": retry, **keys}


def otlp_receiver(grpc_port, http_port, grpc=None, http=None):
    """Both protocols; `grpc` and `http` are further keys of each."""
    return {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{grpc_port}", **(grpc or {})},
                          "http": {"endpoint": f"127.0.0.1:{http_port}", **(http or {})}}}


def otlp_config(receiver, exporters, processors=None, signals=SIGNALS, extensions=None):
    """One pipeline per signal, each from the receiver through all processors to all exporters."""
    pipeline = {"receivers": ["otlp"], "processors": list(processors or {}),
                "exporters": list(exporters)}
    service = {"pipelines": {signal: dict(pipeline) for signal in signals}}
    made = {"receivers": {"otlp": receiver}, "processors": processors or {},
            "exporters": exporters, "service": service}
    if extensions:
        made["extensions"] = extensions
        service["extensions"] = list(extensions)
    return made


def awsxray(port, proxy_port, **keys):
    """The receiver: segments on UDP, sampling calls on TCP; `keys` are those of the proxy."""
    return {"endpoint": f"127.0.0.1:{port}", "transport": "udp",
            "proxy_server": {"endpoint": f"127.0.0.1:{proxy_port}", **keys}}


def pipelines(receivers, processors, exporters, **signals):
    """signals: traces=(receivers, processors, exporters) and so on, each a list of names."""
    made = {name: dict(zip(("receivers", "processors", "exporters"), parts, strict=True))
            for name, parts in signals.items()}
    return {"receivers": receivers, "processors": processors, "exporters": exporters,
            "service": {"pipelines": made}}


def prometheus(port, **keys):
    return {"endpoint": f"127.0.0.1:{port}", **keys}


def config(receivers, exporters, health_port=None):
    """One pipeline from all receivers to all exporters; a single component may omit its id."""
    if "aggregation_interval" in receivers:
        receivers = {"statsd": receivers}
    if "endpoint" in exporters:
        kind = "otlphttp" if exporters["endpoint"].startswith("http") else "prometheus"
        exporters = {kind: exporters}
    pipeline = {"receivers": list(receivers), "exporters": list(exporters)}
    made = {"receivers": receivers, "exporters": exporters,
            "service": {"pipelines": {"metrics": pipeline}}}
    if health_port is not None:
        made["extensions"] = {"health_check": {"endpoint": f"127.0.0.1:{health_port}"}}
        made["service"]["extensions"] = ["health_check"]
    return made


def with_admin(settings, port):
    """The same, with the self-metrics and the status page on `port`."""
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": port}}}}
    telemetry = {"metrics": {"level": "normal", "readers": [reader]}}
    return {**settings, "service": {**settings["service"], "telemetry": telemetry}}


def to_text(settings):
    return yaml.safe_dump(settings, sort_keys=False)
