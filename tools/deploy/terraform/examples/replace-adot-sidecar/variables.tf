# SPDX-License-Identifier: Apache-2.0

variable "region" {
  type = string
}

variable "cluster_name" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

variable "client_cidrs" {
  type = list(string)
}

variable "weir_image" {
  type = string
}

variable "application_image" {
  type = string
}

variable "application_execution_role_arn" {
  type = string
}
