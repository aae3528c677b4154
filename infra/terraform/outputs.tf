output "accounts" {
  description = "E-mail of each service account, by its purpose."
  value       = { for name, account in google_service_account.pagemill : name => account.email }
}

output "documents_bucket" {
  description = "Bucket of PDFs and results."
  value       = "gs://${google_storage_bucket.documents.name}"
}

output "uploads_subscription" {
  description = "Subscription that `pagemill watch` reads."
  value       = google_pubsub_subscription.uploads.id
}

output "deploy" {
  description = "The commands to type next."
  value       = <<-EOT
    gcloud auth application-default login --impersonate-service-account=${google_service_account.pagemill["deployer"].email}
    export GOOGLE_CLOUD_PROJECT=${var.project} PAGEMILL_SERVICE_REGION=${var.region}
    pagemill deploy --dry-run
  EOT
}
