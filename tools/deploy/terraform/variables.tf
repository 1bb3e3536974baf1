# SPDX-License-Identifier: Apache-2.0
# What a user decides. Everything but the first five has a default that is meant for production.

# --- where it stands -----------------------------------------------------------------------------

variable "cluster_name" {
  description = "ECS cluster to run in; for EC2 it has instances already."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the applications."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets with a way to AWS (NAT gateway or VPC endpoints), one per zone."
  type        = list(string)
}

variable "client_cidrs" {
  description = "Where applications send from. UDP keeps the address of its sender behind an NLB."
  type        = list(string)
}

variable "image" {
  description = "The image, built from ../Dockerfile, in a registry that the account can read."
  type        = string
}

variable "name" {
  description = "Name of the service, and the beginning of the names of all that belongs to it."
  type        = string
  default     = "weir"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name))
    error_message = "A name is at most 20 small letters, digits and hyphens, a letter first."
  }
}

variable "launch_type" {
  description = "FARGATE or EC2."
  type        = string
  default     = "FARGATE"

  validation {
    condition     = contains(["FARGATE", "EC2"], var.launch_type)
    error_message = "The launch type is FARGATE or EC2."
  }
}

# --- how it is found -----------------------------------------------------------------------------

variable "discovery" {
  description = "nlb, cloudmap or both."
  type        = string
  default     = "nlb"

  validation {
    condition     = contains(["nlb", "cloudmap", "both"], var.discovery)
    error_message = "Discovery is nlb, cloudmap or both."
  }
}

variable "cross_zone" {
  description = "Spread over the tasks of all zones; traffic between zones is charged."
  type        = bool
  default     = true
}

variable "proxy_protocol" {
  description = "PROXY v2 on TCP, for the addresses of clients. Only with discovery = \"nlb\"."
  type        = bool
  default     = false
}

variable "namespace_name" {
  description = "Private DNS namespace of Cloud Map; the name becomes <name>.<this>."
  type        = string
  default     = "internal"
}

# --- what runs -----------------------------------------------------------------------------------

variable "cpu_architecture" {
  description = "ARM64 or X86_64."
  type        = string
  default     = "ARM64"
}

variable "task_cpu" {
  description = "CPU units. One shard per whole vCPU, so a fraction of one still gets one."
  type        = number
  default     = 1024
}

variable "task_memory" {
  description = "MiB, as far as Fargate has it for that many CPU units."
  type        = number
  default     = 2048
}

# --- what it does --------------------------------------------------------------------------------

variable "metric_namespace" {
  description = "CloudWatch namespace of metrics that arrive here. The default is ADOT's."
  type        = string
  default     = "ECS/AWSOTel/Application"
}

variable "metric_log_group" {
  description = "Log group of the EMF documents. The default is ADOT's; weir makes it if need be."
  type        = string
  default     = "/aws/ecs/application/metrics"
}

variable "config" {
  description = "A configuration of yours, at most 4 KiB, in place of this one's."
  type        = string
  default     = null
}

variable "secrets" {
  description = "Secrets Manager ARNs by the name of the variable they arrive in, for $${env:NAME}."
  type        = map(string)
  default     = {}
}

variable "task_policy_arns" {
  description = "Managed policies for the task role, where a configuration of yours needs more."
  type        = list(string)
  default     = []
}

# --- how many, and who is told -------------------------------------------------------------------

variable "min_tasks" {
  type    = number
  default = 2
}

variable "max_tasks" {
  type    = number
  default = 10
}

variable "cpu_target_percent" {
  description = "Half, because a new target takes minutes to get traffic."
  type        = number
  default     = 50
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear of alarms. Without one they only change colour."
  type        = list(string)
  default     = []
}

variable "queue_age_max_seconds" {
  description = "Alarm when something has been waiting to be sent for longer than this."
  type        = number
  default     = 60
}

variable "log_retention_days" {
  description = "Of weir's own log, and of metric_log_group where weir is the one that makes it."
  type        = number
  default     = 30
}

variable "tags" {
  type    = map(string)
  default = {}
}
