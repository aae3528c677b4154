terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.0, < 8.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region

  # The budget's API needs the project whose quota is used.
  user_project_override = true
  billing_project       = var.project
}

# For calls that a new project has no quota for, because the API that counts it is not enabled there yet.
provider "google" {
  alias = "without_quota_project"

  project               = var.project
  region                = var.region
  user_project_override = false
}
