# SPDX-License-Identifier: Apache-2.0

output "host" {
  description = "Where applications send."
  value       = local.host
}

output "application_environment" {
  description = "What goes into the environment of a container that sends to weir."
  value = [
    { name = "OTEL_EXPORTER_OTLP_ENDPOINT", value = "http://${local.host}:4317" },
    { name = "AWS_XRAY_DAEMON_ADDRESS", value = "tcp:${local.host}:4317 udp:${local.host}:2000" },
    { name = "DD_AGENT_HOST", value = local.host },
  ]
}

output "security_group_id" {
  description = "Of the tasks."
  value       = aws_security_group.task.id
}

output "task_role_name" {
  description = "To attach more to it."
  value       = aws_iam_role.task.name
}

output "log_group_name" {
  description = "Of what weir says of itself."
  value       = aws_cloudwatch_log_group.weir.name
}
