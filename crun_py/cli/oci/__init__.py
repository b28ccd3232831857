"""The command line of the OCI runtime: `crunpy oci …`, `crunpy-oci …`, with runc's words."""
