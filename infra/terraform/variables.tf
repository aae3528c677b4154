# The defaults are those of `pagemill deploy`. If you change one here, set the variable in parentheses as well.

variable "project" {
  description = "Id of the Google Cloud project (GOOGLE_CLOUD_PROJECT)."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project's id has 6 to 30 lowercase letters, digits and dashes, and begins with a letter."
  }
}

variable "region" {
  description = "A region of Cloud Run that has L4 GPUs (PAGEMILL_SERVICE_REGION)."
  type        = string
  default     = "europe-west4"
}

variable "repository" {
  description = "Artifact Registry repository of the images (PAGEMILL_SERVICE_REPOSITORY)."
  type        = string
  default     = "pagemill"
}

variable "cache_repository" {
  description = "Artifact Registry repository of the build cache (PAGEMILL_SERVICE_CACHE_REPOSITORY)."
  type        = string
  default     = "pagemill-cache"
}

variable "source_bucket" {
  description = "Bucket of the builds' sources; empty: PROJECT-pagemill-source (PAGEMILL_SERVICE_SOURCE_BUCKET)."
  type        = string
  default     = ""
}

variable "documents_bucket" {
  description = "Bucket of PDFs and results; empty: PROJECT-pagemill-documents."
  type        = string
  default     = ""
}

variable "deployers" {
  description = "IAM members who may act as the deployer, as in user:somebody@example.com."
  type        = set(string)
  default     = []
}

variable "billing_account" {
  description = "Billing account for the budget alert; empty: no alert."
  type        = string
  default     = ""
}

variable "budget" {
  description = "Monthly amount of the budget; alerts are sent at 50 %, 90 % and 100 % of it."
  type = object({
    amount   = number
    currency = string
  })
  default = {
    amount   = 100
    currency = "USD"
  }

  validation {
    condition     = var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount
    error_message = "The budget is a whole number of at least 1."
  }
}
