locals {
  source_bucket    = var.source_bucket != "" ? var.source_bucket : "${var.project}-pagemill-source"
  documents_bucket = var.documents_bucket != "" ? var.documents_bucket : "${var.project}-pagemill-documents"
}

# Sources of builds, each under its own SHA-256.
resource "google_storage_bucket" "source" {
  name                        = local.source_bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  dynamic "encryption" {
    for_each = var.kms_key != "" ? [var.kms_key] : []

    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle_rule {
    condition {
      age = 90
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_project_service.needed, google_kms_crypto_key_iam_member.agents]
}

# PDFs and their results.
resource "google_storage_bucket" "documents" {
  name                        = local.documents_bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  dynamic "encryption" {
    for_each = var.kms_key != "" ? [var.kms_key] : []

    content {
      default_kms_key_name = encryption.value
    }
  }

  soft_delete_policy {
    retention_duration_seconds = 604800 # a week to restore deleted objects
  }

  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  depends_on = [google_project_service.needed, google_kms_crypto_key_iam_member.agents]
}
