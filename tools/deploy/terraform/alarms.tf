# SPDX-License-Identifier: Apache-2.0
# What wakes somebody up. weir writes one line a minute about that minute ("pulse"); filters of the
# log make metrics of it, so that nothing has to be reached inside the tasks.

locals {
  metrics = {
    kernel-drops = {
      pattern     = "{ $.event = \"pulse\" }"
      name        = "KernelDropped"
      value       = "$.kernel_dropped_at_least"
      unit        = "Count"
      statistic   = "Sum"
      threshold   = 0
      periods     = 3
      of_periods  = 2
      actions     = [aws_appautoscaling_policy.kernel_drops.arn]
      description = "Datagrams were lost before weir could read them; more tasks, or more CPU."
    }
    queue-age = {
      pattern     = "{ $.event = \"pulse\" }"
      name        = "QueueAge"
      value       = "$.queue_oldest_ms"
      unit        = "Milliseconds"
      statistic   = "Maximum"
      threshold   = var.queue_age_max_seconds * 1000
      periods     = 3
      of_periods  = 3
      actions     = []
      description = "Something waits too long to be sent; look at export_retry in the log."
    }
    items-dropped = {
      pattern     = "{ $.event = \"export_dropped\" }"
      name        = "ItemsDropped"
      value       = "$.dropped_items"
      unit        = "Count"
      statistic   = "Sum"
      threshold   = 0
      periods     = 1
      of_periods  = 1
      actions     = []
      description = "An exporter gave telemetry up; the line export_dropped says why."
    }
    books = {
      pattern     = "{ ($.event = \"books_closed\") && ($.balanced IS FALSE) }"
      name        = "BooksOutOfBalance"
      value       = "1"
      unit        = "Count"
      statistic   = "Sum"
      threshold   = 0
      periods     = 1
      of_periods  = 1
      actions     = []
      description = "The books of a task that ended do not balance; that is a bug of weir's."
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "metric" {
  for_each       = local.metrics
  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.weir.name
  pattern        = each.value.pattern

  metric_transformation {
    namespace = "weir/${var.name}"
    name      = each.value.name
    value     = each.value.value
    unit      = each.value.unit
  }
}

resource "aws_cloudwatch_metric_alarm" "metric" {
  for_each            = local.metrics
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "weir/${var.name}"
  metric_name         = each.value.name
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.of_periods
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = concat(each.value.actions, var.alarm_topic_arns)
  tags                = var.tags
}

# No line at all is no good news: the balancer says when nobody is left.
resource "aws_cloudwatch_metric_alarm" "nobody_healthy" {
  count               = local.has_balancer ? 1 : 0
  alarm_name          = "${var.name}-nobody-healthy"
  alarm_description   = "No task passes its health check; the balancer sends to all blindly."
  namespace           = "AWS/NetworkELB"
  metric_name         = "HealthyHostCount"
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  tags                = var.tags

  dimensions = {
    LoadBalancer = aws_lb.door[0].arn_suffix
    TargetGroup  = aws_lb_target_group.task["tcp"].arn_suffix
  }
}
