# Images, each under a tag that names its source and arguments. Tags cannot be moved.
#
# The digest that serves is never deleted: the only policy that deletes takes images without a tag, every image that was
# deployed has one, and KEEP wins over DELETE besides. Tagged images stay until somebody deletes them.
resource "google_artifact_registry_repository" "images" {
  repository_id = var.repository
  location      = var.region
  format        = "DOCKER"
  description   = "GPU images of pagemill"

  docker_config {
    immutable_tags = true
  }

  vulnerability_scanning_config {
    enablement_config = "INHERITED"
  }

  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "keep-what-may-serve"
    action = "KEEP"

    condition {
      tag_state    = "TAGGED"
      tag_prefixes = ["src-"]
    }
  }

  cleanup_policies {
    id     = "delete-leftovers-of-builds"
    action = "DELETE"

    condition {
      tag_state  = "UNTAGGED"
      older_than = "30d"
    }
  }

  depends_on = [google_project_service.needed]
}

# Layers of earlier builds, under one tag that each build moves: nothing here is ever deployed.
resource "google_artifact_registry_repository" "cache" {
  repository_id = var.cache_repository
  location      = var.region
  format        = "DOCKER"
  description   = "Build cache of pagemill's GPU images"

  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "delete-old-caches"
    action = "DELETE"

    condition {
      tag_state  = "ANY"
      older_than = "30d"
    }
  }

  depends_on = [google_project_service.needed]
}
