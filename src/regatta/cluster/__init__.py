"""Runs on a cluster: what Kubeflow Pipelines and Kubernetes are asked, and what they answer."""
