"""How programs take a secret where its name does not say so: ``mysql -pS``, ``vault login S``.

A program counts wherever its name stands as a word of a command line, since any number of wrappers
may stand in front (``sudo``, ``docker exec``, ``tini --``). Only what stands before the image of a
container client's command belongs to that client alone (``client_options.py``).
"""

from __future__ import annotations

from sensor.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class OptionSecret:
    """Options of some programs whose value is a secret."""

    programs: str
    """Names of the programs, separated by spaces."""
    options: str
    """Options that take the secret as the next word or joined: ``-p S``, ``-pS``, ``--user=S``."""
    after: str | None = None
    """The word that must have been seen."""
    flags: str = ""
    """Letters of flags that may stand before a short option in one word: ``-sSu user:S``."""
    joined_only: bool = False
    """The secret is never the next word: ``mysql -p`` asks for it."""


@dataclass(frozen=True, slots=True)
class WordSecret:
    """Words of a command that are secrets by their place."""

    programs: str
    verbs: str
    """Words that must have been seen, in this order, separated by spaces."""
    skipped: int
    """Words between the last verb and the first secret; all behind it are secrets."""


OPTION_SECRETS = (
    OptionSecret(
        "docker podman nerdctl buildah skopeo helm oc az crane cosign oras regctl", "-p",
        after="login",
    ),
    OptionSecret("oras", "-p"),
    OptionSecret("ctr nerdctl", "-u --user", after="pull"),
    OptionSecret("ctr nerdctl", "-u --user", after="push"),
    OptionSecret(
        "mysql mysqldump mysqladmin mysqlimport mysqlcheck mysqlshow mysqlslap mysqlpump "
        "mysqlbinlog mysqlsh mytop mariadb mariadb-dump mariadb-admin mariadb-import "
        "mariadb-check mariadb-show mariadb-backup mariabackup xtrabackup 7z 7za 7zr",
        "-p", joined_only=True,
    ),
    OptionSecret("rar unrar", "-p", flags="h", joined_only=True),
    OptionSecret("xfreerdp xfreerdp3 wlfreerdp", "/p: /pth: /gp:", joined_only=True),
    OptionSecret(
        "mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop mydumper "
        "myloader sshpass cqlsh cypher-shell influx beeline rabbitmqadmin arangosh rdesktop "
        "elasticsearch-users ncftp ncftpget ncftpput usermod useradd racadm smbmap netexec nxc "
        "crackmapexec evil-winrm hydra medusa ncrack",
        "-p",
    ),
    OptionSecret("twine", "-p", after="upload"),
    OptionSecret("redis-cli redis-benchmark valkey-cli keydb-cli", "-a"),
    OptionSecret(
        "sqlcmd bcp osql isql mssql-cli tsql bsqldb freebcp mosquitto_pub mosquitto_sub "
        "mosquitto_rr ipmitool zip unzip",
        "-P",
    ),
    OptionSecret(
        "curl", "-u --user -U --proxy-user -b -E --cert --tlspassword --proxy-tlspassword",
        flags="#0123456BGILNOSRZafgijklnpqsv",
    ),
    OptionSecret("http https xh xhs httpie", "-a"),
    OptionSecret("etcdctl siege", "--user"),
    OptionSecret("ab", "-A -P"),
    OptionSecret("lftp", "-u"),
    OptionSecret("smbclient rpcclient smbcacls smbget winexe wmic net", "-U --user"),
    OptionSecret(
        "ldapsearch ldapmodify ldapadd ldapdelete ldapwhoami ldappasswd ldapcompare ldapmodrdn",
        "-w",
    ),
    OptionSecret("ldappasswd", "-s -a"),
    OptionSecret("snmpget snmpgetnext snmpwalk snmpbulkwalk snmpset snmptrap", "-c -A -X"),
    OptionSecret("openssl", "-passin -passout -pass -password -k -K -macopt"),
    OptionSecret("kubeadm k3s rke2 influx", "-t"),
    OptionSecret("ssh-keygen", "-N -P"),
    OptionSecret("kubectl oc k3s", "--from-literal"),
    OptionSecret("consul serf nomad", "-encrypt"),
    OptionSecret("codecov doctl fly flyctl vercel", "-t"),
    OptionSecret("caddy", "-p --plaintext", after="hash-password"),
    OptionSecret("gem", "-k --key", after="push"),
    OptionSecret(
        "gcloud",
        "--set-env-vars --update-env-vars --set-build-env-vars --update-build-env-vars",
    ),
    OptionSecret("xmrig", "-p"),
    OptionSecret("kubectl oc", "-p --patch", after="secret"),
    OptionSecret("systemd-run systemd-nspawn machinectl run0", "-E"),
    OptionSecret("signtool", "/p"),
    OptionSecret("gh", "-b --body", after="secret"),
    OptionSecret("glab", "-t", after="login"),
    OptionSecret("aws", "--value", after="put-parameter"),
    OptionSecret("dotnet nuget choco", "-k", after="push"),
    OptionSecret("redis-server valkey-server keydb-server", ">", joined_only=True),
    OptionSecret("az", "--value", after="secret"),
    OptionSecret("eas", "--value"),
    OptionSecret("conjur", "-v --value"),
    OptionSecret("credhub", "-v -w --value"),
    OptionSecret("railway", "--set"),
    OptionSecret("aws", "--environment", after="lambda"),
    OptionSecret("ntfy rqlite", "-u --user"),
    OptionSecret("transmission-remote", "-n --auth"),
    OptionSecret("airflow", "-p", after="users"),
    OptionSecret("frpc frps", "-t"),
)  # fmt: skip
"""Short options, and long ones whose name is not that of a secret."""

WORD_SECRETS = (
    WordSecret("vault", "login", 0),
    WordSecret("vault", "unseal", 0),
    WordSecret("vault", "unwrap", 0),
    WordSecret("vault", "token revoke", 0),
    WordSecret("vault", "token lookup", 0),
    WordSecret("vault", "token renew", 0),
    WordSecret("vault", "kv put", 1),
    WordSecret("vault", "kv patch", 1),
    WordSecret("vault", "write", 1),
    WordSecret("consul", "kv put", 1),
    WordSecret("etcdctl", "user add", 0),
    WordSecret("docker podman nerdctl", "secret create", 1),
    WordSecret("kubectl oc", "set env", 1),
    WordSecret("heroku dokku", "config:set", 0),
    WordSecret("fly flyctl", "secrets set", 0),
    WordSecret("doppler infisical supabase", "secrets set", 0),
    WordSecret("netlify", "env:set", 1),
    WordSecret("firebase", "functions:config:set", 0),
    WordSecret("convox", "env set", 0),
    WordSecret("cf", "set-env", 2),
    WordSecret("eb", "setenv", 0),
    WordSecret("chamber", "write", 2),
    WordSecret("dotnet", "user-secrets set", 1),
    WordSecret("travis", "encrypt", 0),
    WordSecret("bitcoin-cli litecoin-cli dogecoin-cli", "walletpassphrase", 0),
    WordSecret("bitcoin-cli litecoin-cli dogecoin-cli", "encryptwallet", 0),
    WordSecret("bitcoin-cli litecoin-cli dogecoin-cli", "importprivkey", 0),
    WordSecret("pulumi", "config set", 0),
    WordSecret("poetry composer", "config", 1),
    WordSecret("redis-cli valkey-cli keydb-cli", "auth", 0),
    WordSecret("redis-cli valkey-cli keydb-cli", "setuser", 1),
    WordSecret("rabbitmqctl", "add_user", 1),
    WordSecret("rabbitmqctl", "change_password", 1),
    WordSecret("rabbitmqctl", "authenticate_user", 1),
    WordSecret("mosquitto_passwd htpasswd", "", 1),
    WordSecret("wpa_passphrase smbclient", "", 1),
    WordSecret("sqlplus sqlcl expdp impdp sqlldr", "", 0),
    WordSecret("zookeeper-shell zookeeper-shell.sh zkCli.sh", "addauth", 1),
    WordSecret("rclone", "obscure", 0),
    WordSecret("openssl", "passwd", 0),
    WordSecret("mkpasswd", "", 0),
    WordSecret("mysqladmin mariadb-admin", "password", 0),
    WordSecret("neo4j-admin", "set-initial-password", 0),
    WordSecret("ansible-vault", "encrypt_string", 0),
    WordSecret("cargo", "login", 0),
    WordSecret("ngrok", "authtoken", 0),
    WordSecret("ngrok", "add-authtoken", 0),
    WordSecret("cloudflared", "service install", 0),
    WordSecret("bw", "unlock", 0),
    WordSecret("bw", "login", 1),
    WordSecret("snyk", "auth", 0),
    WordSecret("mc", "alias set", 2),
    WordSecret("mc", "config host add", 2),
    WordSecret("mc", "user add", 1),
    WordSecret("microk8s", "join", 0),
    WordSecret("nmcli", "password", 0),
    WordSecret("ConvertTo-SecureString", "", 0),
    WordSecret("net", "user", 1),
    WordSecret("net", "use", 2),
    WordSecret("isql iusql", "", 2),
    WordSecret("pdftk", "user_pw", 0),
    WordSecret("pdftk", "owner_pw", 0),
    WordSecret("pdftk", "input_pw", 0),
    WordSecret("grafana grafana-cli", "reset-admin-password", 0),
    WordSecret("salt salt-call", "shadow.set_password", 1),
)
"""Commands that take a secret as a word of its own."""

SETTERS = frozenset(
    {"add", "config", "configure", "create", "insert", "modify", "patch", "put", "replace", "set",
     "setx", "update", "write"}
)  # fmt: skip
"""Verbs after which a word with a secret's name makes the next word one:
``aws configure set aws_secret_access_key S``."""

NOUNS = frozenset(
    {"auth", "cookie", "credential", "credentials", "password", "secret", "secrets", "token",
     "tokens"}
)  # fmt: skip
"""Words that are sub-commands rather than names: ``kubectl create secret generic``."""

VARIABLES = frozenset(
    {"--environment-variables", "--secure-environment-variables", "--env-vars", "--set-env-vars",
     "--replace-env-vars", "--settings"}
)  # fmt: skip
"""Options of which all words up to the next option are variables: ``az container create``."""

NAMED = frozenset({"--arg", "--argjson"})
"""Options that take a name and its value as two words: ``jq --arg token S``."""

STORES = ("/secrets", "/secret/")
"""What an address holds to which secrets are posted: of engines, of Kubernetes, of Vault."""

CLIENTS_OF_HTTP = frozenset({"curl", "http", "httpie", "https", "wget", "xh", "xhs"})

BODY_OPTIONS = frozenset(
    {"-d", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json",
     "-F", "--form", "--form-string", "--post-data", "--body-data"}
)  # fmt: skip
"""Options whose value is the body of a request."""

STDIN_READERS = frozenset(
    {"chpasswd", "cryptsetup", "kinit", "passwd", "smbpasswd", "su", "vncpasswd",
     "--passphrase-fd", "--with-token", "--stdin", "stdin"}
)  # fmt: skip
"""Words of a command that takes a secret from the pipe before it."""

STDIN_READING = (
    frozenset({"sudo", "-S"}),
    frozenset({"login", "-"}),
    frozenset({"secret", "create"}),
    frozenset({"secret", "put"}),
    frozenset({"secret", "set"}),
    frozenset({"kv", "put"}),
    frozenset({"vault", "write"}),
)
"""The same of words that mean it together."""

WRITERS = frozenset({"echo", "printf", "yes"})
"""Commands whose words go into the pipe."""
