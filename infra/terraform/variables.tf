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
  description = "IAM members who may act as the deployer: user:you@example.com, group:…, or a principalSet:… of workload identity federation."
  type        = set(string) # without a default: nobody could deploy

  validation {
    condition     = length(var.deployers) > 0 && alltrue([for member in var.deployers : can(regex("^[a-zA-Z]+:.+", member))])
    error_message = "Name at least one member with its kind, as in deployers=[\"user:you@example.com\"]."
  }
}

variable "callers" {
  description = "IAM members who may act as the caller, which runs batches: it calls the service, and reads and writes documents."
  type        = set(string)
  default     = []
}

variable "launchers" {
  description = "IAM members who may act as the launcher, which starts Cloud Run jobs; not needed where a machine runs as it."
  type        = set(string)
  default     = []
}

variable "api_auth_secret" {
  description = "Secret with the Prefect server's auth string, which jobs read; empty: none (PAGEMILL_POOL_API_AUTH_SECRET)."
  type        = string
  default     = ""
}

variable "uploads_prefix" {
  description = "Objects of the documents bucket whose names begin so are announced to `pagemill watch`. Results belong elsewhere."
  type        = string
  default     = "uploads/"
}

variable "second_region" {
  description = "One more region with repositories, for a service there; empty: none."
  type        = string
  default     = ""

  validation {
    condition     = var.second_region == "" || var.second_region != var.region
    error_message = "The second region is the first one."
  }
}

variable "kept_images" {
  description = "How many images of each kind are kept when those older than 90 days are deleted; 0: all are kept, and tags are immutable."
  type        = number
  default     = 0

  validation {
    condition     = var.kept_images == 0 || (var.kept_images >= 10 && floor(var.kept_images) == var.kept_images)
    error_message = "Keep at least 10: a rollback may go back to any of the last ten verified revisions."
  }
}

variable "kms_key" {
  description = "Cloud KMS key for buckets, repositories and topics, in the same region; empty: Google's own keys."
  type        = string
  default     = ""

  validation {
    condition     = var.kms_key == "" || can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "A key is named projects/PROJECT/locations/REGION/keyRings/RING/cryptoKeys/KEY."
  }

  validation {
    condition     = var.kms_key == "" || var.second_region == ""
    error_message = "A key encrypts in its own region only: leave second_region or kms_key empty."
  }
}

variable "service" {
  description = "Name of the Cloud Run service that the alerts are about (PAGEMILL_SERVICE_NAME)."
  type        = string
  default     = "lightonocr"
}

variable "alert_emails" {
  description = "Addresses that get alerts about the service; empty: no alerts."
  type        = set(string)
  default     = []
}

variable "max_instances" {
  description = "An alert is sent if more instances run for an hour (PAGEMILL_SERVICE_MAX_INSTANCES)."
  type        = number
  default     = 3
}

variable "gpu_hours_a_day" {
  description = "An alert is sent if the service has used more GPU hours in 24 hours."
  type        = number
  default     = 8
}

variable "error_percent" {
  description = "An alert is sent if more of the answers of half an hour are errors of the service, in percent."
  type        = number
  default     = 20
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
