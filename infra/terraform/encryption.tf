# A key of your own, if `kms_key` names one. Google's services encrypt with it, so their agents may use it.
resource "google_kms_crypto_key_iam_member" "agents" {
  for_each = var.kms_key != "" ? local.agents : {}

  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value

  depends_on = [google_project_service.needed]
}
