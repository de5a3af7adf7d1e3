"""The manifests and the image on a real Kubernetes of one node, without a registry.

`make test-cluster` runs these tests: as root on Linux, with Go, and with Debian's containerd,
runc and network plugins. Kubernetes itself is built from its Go modules, once, into build/.
"""
