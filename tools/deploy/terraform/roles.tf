# SPDX-License-Identifier: Apache-2.0
# Two roles: what weir itself may do, and what ECS does for it before it runs.

data "aws_iam_policy_document" "ecs_tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    # Tasks of this account, not of another that ECS works for.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# --- the task role -------------------------------------------------------------------------------

data "aws_iam_policy_document" "task" {
  # Segments, and a record a minute of how sending them went. X-Ray knows no resource here.
  statement {
    sid       = "SendTraces"
    actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    resources = ["*"]
  }

  # What the sampling proxy signs for the SDKs: these two calls and nothing else.
  statement {
    sid       = "AnswerSamplingCalls"
    actions   = ["xray:GetSamplingRules", "xray:GetSamplingTargets"]
    resources = ["*"]
  }

  # Metrics are EMF documents in a log group; CloudWatch makes metrics of them by itself, so
  # cloudwatch:PutMetricData is not needed. Streams are made by whoever first writes to them.
  statement {
    sid       = "WriteMetrics"
    actions   = ["logs:PutLogEvents", "logs:CreateLogStream"]
    resources = ["${local.arn.logs}:log-group:${var.metric_log_group}:*"]
  }

  # The group itself, once, where it does not exist yet. Listing groups is not needed: weir learns
  # from the answer to its first write.
  statement {
    sid     = "MakeTheGroup"
    actions = ["logs:CreateLogGroup", "logs:PutRetentionPolicy"]
    resources = [
      "${local.arn.logs}:log-group:${var.metric_log_group}",
      "${local.arn.logs}:log-group:${var.metric_log_group}:*",
    ]
  }
}

resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  description        = "What weir itself may do; its credentials come from the task, not the host."
  assume_role_policy = data.aws_iam_policy_document.ecs_tasks.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "task" {
  name   = "weir"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

resource "aws_iam_role_policy_attachment" "task" {
  for_each   = toset(var.task_policy_arns)
  role       = aws_iam_role.task.name
  policy_arn = each.value
}

# --- the execution role --------------------------------------------------------------------------

data "aws_iam_policy_document" "execution" {
  # A login to the registry; it is not for one repository.
  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  # The image. The repository is yours to name, and may be in another account.
  statement {
    sid       = "PullTheImage"
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["${local.ecr_arn}:*:repository/*"]
  }

  # weir's own log.
  statement {
    sid       = "WriteTheLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.weir.arn}:*"]
  }

  # The configuration; moved here from the task role, where ADOT's examples have it.
  statement {
    sid       = "ReadTheConfiguration"
    actions   = ["ssm:GetParameters"]
    resources = [aws_ssm_parameter.config.arn]
  }

  # The secrets, where there are any. One that is encrypted with a key of yours needs kms:Decrypt
  # on that key as well.
  dynamic "statement" {
    for_each = length(var.secrets) > 0 ? [1] : []
    content {
      sid       = "ReadTheSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = values(var.secrets)
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  description        = "What ECS does for weir before it runs; weir never sees these credentials."
  assume_role_policy = data.aws_iam_policy_document.ecs_tasks.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  name   = "start"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}
