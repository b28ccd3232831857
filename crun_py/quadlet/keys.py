"""The keys of each kind of file, and the options that say the same (podman-systemd.unit(5))."""

from __future__ import annotations

ONE, MANY, WORDS, PAIRS, FLAG, SWITCH, ARGUMENTS = (
    "one", "many", "words", "pairs", "flag", "switch", "arguments")  # fmt: skip
"""What a key's values are: one; several, a line each; words, each a value; words KEY=VALUE;
whether an option is given; true or false of an option; options of the command as they are."""

Table = dict[str, tuple[str, str]]
"""key: (what its values are, option)."""

_REACH: Table = {
    "Retry": (ONE, "--retry"),
    "RetryDelay": (ONE, "--retry-delay"),
}

CONTAINER: Table = {
    "AddCapability": (WORDS, "--cap-add"),
    "AddHost": (MANY, "--add-host"),
    "Annotation": (PAIRS, "--annotation"),
    "CgroupsMode": (ONE, "--cgroups"),
    "DNS": (MANY, "--dns"),
    "DNSOption": (MANY, "--dns-option"),
    "DNSSearch": (MANY, "--dns-search"),
    "DropCapability": (WORDS, "--cap-drop"),
    "Entrypoint": (ONE, "--entrypoint"),
    "Environment": (PAIRS, "--env"),
    "EnvironmentHost": (FLAG, "--env-host"),
    "ExposeHostPort": (MANY, "--expose"),
    "GIDMap": (MANY, "--gidmap"),
    "GroupAdd": (MANY, "--group-add"),
    "HealthCmd": (ONE, "--health-cmd"),
    "HealthInterval": (ONE, "--health-interval"),
    "HealthOnFailure": (ONE, "--health-on-failure"),
    "HealthRetries": (ONE, "--health-retries"),
    "HealthStartPeriod": (ONE, "--health-start-period"),
    "HealthTimeout": (ONE, "--health-timeout"),
    "HostName": (ONE, "--hostname"),
    "HttpProxy": (SWITCH, "--http-proxy"),
    "IP": (ONE, "--ip"),
    "IP6": (ONE, "--ip6"),
    "Label": (PAIRS, "--label"),
    "LogDriver": (ONE, "--log-driver"),
    "LogOpt": (MANY, "--log-opt"),
    "Memory": (ONE, "--memory"),
    "NetworkAlias": (MANY, "--network-alias"),
    "PidsLimit": (ONE, "--pids-limit"),
    "PublishPort": (MANY, "--publish"),
    "Pull": (ONE, "--pull"),
    "ReadOnly": (SWITCH, "--read-only"),
    "ReadOnlyTmpfs": (SWITCH, "--read-only-tmpfs"),
    "RunInit": (SWITCH, "--init"),
    "Secret": (MANY, "--secret"),
    "ShmSize": (ONE, "--shm-size"),
    "StopSignal": (ONE, "--stop-signal"),
    "StopTimeout": (ONE, "--stop-timeout"),
    "SubGIDMap": (ONE, "--subgidname"),
    "SubUIDMap": (ONE, "--subuidname"),
    "Sysctl": (WORDS, "--sysctl"),
    "Timezone": (ONE, "--tz"),
    "Tmpfs": (MANY, "--tmpfs"),
    "UIDMap": (MANY, "--uidmap"),
    "Ulimit": (MANY, "--ulimit"),
    "UserNS": (ONE, "--userns"),
    "WorkingDir": (ONE, "--workdir"),
    **_REACH,
}

SECURITY = {
    "Mask": "mask={}",
    "SeccompProfile": "seccomp={}",
    "SecurityLabelFileType": "label=filetype:{}",
    "SecurityLabelLevel": "label=level:{}",
    "SecurityLabelType": "label=type:{}",
    "Unmask": "unmask={}",
}
"""Keys of a container with a value of --security-opt."""
SECURITY_FLAGS = {
    "NoNewPrivileges": "no-new-privileges",
    "SecurityLabelDisable": "label=disable",
    "SecurityLabelNested": "label=nested",
}

POD: Table = {
    "AddHost": (MANY, "--add-host"),
    "DNS": (MANY, "--dns"),
    "DNSOption": (MANY, "--dns-option"),
    "DNSSearch": (MANY, "--dns-search"),
    "ExitPolicy": (ONE, "--exit-policy"),
    "GIDMap": (MANY, "--gidmap"),
    "HostName": (ONE, "--hostname"),
    "IP": (ONE, "--ip"),
    "IP6": (ONE, "--ip6"),
    "Label": (PAIRS, "--label"),
    "NetworkAlias": (MANY, "--network-alias"),
    "PublishPort": (MANY, "--publish"),
    "ShmSize": (ONE, "--shm-size"),
    "SubGIDMap": (ONE, "--subgidname"),
    "SubUIDMap": (ONE, "--subuidname"),
    "UIDMap": (MANY, "--uidmap"),
    "UserNS": (ONE, "--userns"),
}

VOLUME: Table = {"Driver": (ONE, "--driver"), "Label": (PAIRS, "--label")}

NETWORK: Table = {
    "DisableDNS": (FLAG, "--disable-dns"),
    "DNS": (MANY, "--dns"),
    "Driver": (ONE, "--driver"),
    "Gateway": (MANY, "--gateway"),
    "InterfaceName": (ONE, "--interface-name"),
    "Internal": (FLAG, "--internal"),
    "IPAMDriver": (ONE, "--ipam-driver"),
    "IPRange": (MANY, "--ip-range"),
    "IPv6": (FLAG, "--ipv6"),
    "Label": (PAIRS, "--label"),
    "Options": (MANY, "--opt"),
    "Subnet": (MANY, "--subnet"),
}

IMAGE: Table = {
    "AllTags": (FLAG, "--all-tags"),
    "Arch": (ONE, "--arch"),
    "AuthFile": (ONE, "--authfile"),
    "CertDir": (ONE, "--cert-dir"),
    "Creds": (ONE, "--creds"),
    "OS": (ONE, "--os"),
    "Policy": (ONE, "--policy"),
    "TLSVerify": (SWITCH, "--tls-verify"),
    "Variant": (ONE, "--variant"),
    **_REACH,
}

BUILD: Table = {
    "Annotation": (PAIRS, "--annotation"),
    "Arch": (ONE, "--arch"),
    "AuthFile": (ONE, "--authfile"),
    "BuildArg": (PAIRS, "--build-arg"),
    "DNS": (MANY, "--dns"),
    "DNSOption": (MANY, "--dns-option"),
    "DNSSearch": (MANY, "--dns-search"),
    "Environment": (PAIRS, "--env"),
    "ForceRM": (SWITCH, "--force-rm"),
    "IgnoreFile": (ONE, "--ignorefile"),
    "ImageTag": (MANY, "--tag"),
    "Label": (PAIRS, "--label"),
    "Pull": (ONE, "--pull"),
    "Secret": (MANY, "--secret"),
    "Target": (ONE, "--target"),
    "TLSVerify": (SWITCH, "--tls-verify"),
    "Variant": (ONE, "--variant"),
    **_REACH,
}

UPDATES = "io.containers.autoupdate"
"""The label by which `auto-update` knows its containers."""
KUBE: Table = {
    "LogDriver": (ONE, "--log-driver"),
    "LogOpt": (MANY, "--log-opt"),
    "PublishPort": (MANY, "--publish"),
}

TABLES = {
    "Container": CONTAINER,
    "Pod": POD,
    "Volume": VOLUME,
    "Network": NETWORK,
    "Image": IMAGE,
    "Build": BUILD,
    "Kube": KUBE,
}
COMMANDS = {
    "Container": "run",
    "Pod": "pod create",
    "Volume": "volume create",
    "Network": "network create",
    "Image": "pull",
    "Build": "build",
    "Kube": "kube play",
}
"""Section: the command that its keys are options of."""

_EVERYWHERE = {"GlobalArgs", "PodmanArgs", "ServiceName"}
OWN = {
    "Container": {
        "AddDevice", "AutoUpdate", "ContainerName", "EnvironmentFile", "Exec", "Group", "Image",
        "Mount", "Network", "Notify", "Pod", "ReloadCmd", "ReloadSignal", "Rootfs",
        "StartWithPod", "User", "Volume",
        *SECURITY, *SECURITY_FLAGS, *_EVERYWHERE,
    },
    "Pod": {"Network", "PodName", "StopTimeout", "Volume", *_EVERYWHERE},
    "Volume": {"Copy", "Device", "Group", "Options", "Type", "User", "VolumeName", *_EVERYWHERE},
    "Network": {"NetworkDeleteOnStop", "NetworkName", *_EVERYWHERE},
    "Image": {"Image", "ImageTag", *_EVERYWHERE},
    "Build": {"File", "Network", "SetWorkingDirectory", "Volume", *_EVERYWHERE},
    "Kube": {"AutoUpdate", "ConfigMap", "ExitCodePropagation", "KubeDownForce", "Network",
             "SetWorkingDirectory", "Yaml", *_EVERYWHERE},
}  # fmt: skip
"""Keys that are more than an option; see the module of the kind."""

_NO_MODULES = "containers.conf has no modules here: CONTAINERS_CONF_OVERRIDE names one more file"
_FIVE_KEPT = "the last five results are kept, of 4096 characters each"
_STARTUP = "a startup check is the health check itself: HealthStartPeriod"
REFUSED = {
    "ContainersConfModule": _NO_MODULES,
    "DecryptionKey": "encrypted images are not read",
    "HealthLogDestination": _FIVE_KEPT,
    "HealthMaxLogCount": _FIVE_KEPT,
    "HealthMaxLogSize": _FIVE_KEPT,
    "HealthStartupCmd": _STARTUP,
    "HealthStartupInterval": _STARTUP,
    "HealthStartupRetries": _STARTUP,
    "HealthStartupSuccess": _STARTUP,
    "HealthStartupTimeout": _STARTUP,
    "RemapGid": "UserNS says it",
    "RemapUid": "UserNS says it",
    "RemapUidSize": "UserNS says it",
    "RemapUsers": "UserNS says it",
    "VolatileTmp": "Tmpfs=/tmp says it",
}
"""Keys that podman has and that cannot hold here, and why."""
REFUSED_OF = {
    ("Volume", "Image"): "volumes are of no image: Mount=type=image,source=… in a container",
    ("Build", "GroupAdd"): "RUN has the groups of its user",
    ("Kube", "UserNS"): "kube play makes no user namespaces: a .pod file and .container files do",
}
"""The same of one section alone."""
