"""What a secret looks like by itself, wherever it stands.

Each shape has marks: plain texts of which one is in everything that the shape matches. A text
without a mark is never searched, so a common word costs a few comparisons. Every expression is
linear in its input: a repeat without a limit ends the match, or begins only where no character of
its own kind stands before it.
"""

from __future__ import annotations

import re

from sensor.dataclass import dataclass
from sensor.identity.secret_names import REDACTED


@dataclass(frozen=True, slots=True)
class Shape:
    """One form of secret. ``title`` and ``example`` are for docs/privacy.md."""

    title: str
    example: str
    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str = REDACTED


def _issued(title: str, marks: str, rest: str) -> Shape:
    """Return the shape of a token whose issuer puts one of ``marks`` in front of it."""
    texts = tuple(marks.split())
    prefix = "|".join(re.escape(text) for text in texts)
    example = ", ".join(f"{text}…" for text in texts)
    return Shape(title, example, texts, re.compile(rf"(?<![A-Za-z0-9])(?:{prefix}){rest}"))


def _hook(title: str, host: str, path: str) -> Shape:
    """Return the shape of a web hook: who knows the rest of its address may post to it."""
    pattern = re.compile(rf"({re.escape(host)}{path})[^\s\"'?#]+")
    return Shape(title, f"https://{host}/…", (host,), pattern, rf"\1{REDACTED}")


SHAPES = (
    Shape(
        "PEM block", "-----BEGIN RSA PRIVATE KEY-----", ("-----BEGIN ",),
        re.compile(r"-----BEGIN [A-Z0-9 ]{1,64}-----.*?(?:-----END [A-Z0-9 ]{1,64}-----|\Z)",
                   re.DOTALL),
    ),
    Shape(
        "JSON web token", "eyJ….eyJ….…", ("eyJ",),
        re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)*"),
    ),
    _issued("age", "AGE-SECRET-KEY-1", r"[A-Z0-9]{8,}"),
    _issued("Amazon Web Services", "AKIA ASIA AROA AIDA ABIA ACCA", r"[A-Z0-9]{12,}"),
    _issued("Anthropic, OpenAI and others", "sk-", r"(?=[\w-]{0,64}[A-Z0-9])[\w-]{16,}"),
    _issued("Alibaba Cloud", "LTAI", r"[A-Za-z0-9]{12,}"),
    _issued("Atlassian", "ATATT3x ATCTT3x ATBB", r"[\w=-]{16,}"),
    _issued("Buildkite, CircleCI, Netlify", "bkua_ CCIPAT_ nfp_", r"[\w-]{16,}"),
    _issued("Contentful, Typeform", "CFPAT- tfp_", r"[\w-]{16,}"),
    _issued("Databricks", "dapi", r"[0-9a-f]{32}"),
    _issued("DigitalOcean", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{16,}"),
    _issued("Docker Hub", "dckr_pat_ dckr_oat_", r"[\w-]{8,}"),
    _issued("Docker Swarm", "SWMTKN-", r"[\w-]{8,}"),
    _issued("Doppler", "dp.pt. dp.st. dp.ct. dp.sa.", r"[\w.-]{16,}"),
    _issued("Dynatrace", "dt0c01. dt0s01. dt0s02. dt0s16.", r"[\w.-]{16,}"),
    _issued("Fly.io", "fm1_ fm1r_ fm2_ fo1_", r"[\w+/=,-]{16,}"),
    _issued("GitHub", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"\w{16,}"),
    _issued("GitLab",
            "glpat- glrt- glrtr- gldt- glcbt- glptt- glft- glsoat- glimt- glagent- gloas- glwt- "
            "glffct-", r"[\w.-]{8,}"),
    _issued("Google", "AIza GOCSPX- ya29.", r"[\w-]{16,}"),
    _issued("Grafana", "glsa_ glc_ eyJrIjoi", r"[\w=+/-]{16,}"),
    _issued("HashiCorp Vault", "hvs. hvb. hvr.", r"[\w.-]{8,}"),
    _issued("Hugging Face, Replicate, Groq, xAI", "hf_ r8_ gsk_ xai-", r"[A-Za-z0-9]{20,}"),
    _issued("JFrog", "AKCp cmVmdGtu", r"[A-Za-z0-9]{24,}"),
    _issued("k3s", "K10", r"[0-9a-f]{32,}::[^\s\"']+"),
    _issued("Linear, Notion, Figma", "lin_api_ ntn_ figd_ secret_", r"[\w-]{24,}"),
    _issued("Mailgun", "key-", r"[0-9a-f]{32}"),
    _issued("New Relic, Postman", "NRAK- PMAK-", r"[\w-]{16,}"),
    _issued("npm", "npm_", r"[A-Za-z0-9]{16,}"),
    _issued("NuGet", "oy2", r"[a-z0-9]{43}"),
    _issued("OpenShift", "sha256~", r"[\w-]{16,}"),
    _issued("Perplexity, Pulumi", "pplx- pul-", r"[A-Za-z0-9]{32,}"),
    _issued("PlanetScale, Supabase", "pscale_tkn_ pscale_pw_ pscale_oauth_ sbp_", r"[\w.-]{16,}"),
    _issued("PyPI", "pypi-", r"[\w-]{16,}"),
    _issued("RubyGems, crates.io", "rubygems_ cio", r"[A-Za-z0-9]{32,}"),
    _issued("SendGrid", "SG.", r"[\w-]{8,}\.[\w-]{8,}"),
    _issued("Sentry", "sntrys_ sntryu_", r"[\w=+/-]{16,}"),
    _issued("Shopify, Square", "shpat_ shpca_ shppa_ shpss_ sq0atp- sq0csp-", r"[\w-]{16,}"),
    _issued("Slack",
            "xoxa- xoxb- xoxc- xoxd- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs- xapp-", r"[\w.%-]{8,}"),
    _issued("Stripe", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", r"\w{16,}"),
    _issued("Tailscale", "tskey-", r"[\w-]{8,}"),
    _issued("Twilio", "SK", r"[0-9a-f]{32}(?![0-9A-Za-z])"),
    _issued("1Password", "ops_ey", r"[\w-]{16,}"),
    Shape(
        "Terraform Cloud", "….atlasv1.…", (".atlasv1.",),
        re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{8,32}\.atlasv1\.[\w-]{8,}"),
    ),
    Shape(
        "Azure client secret", "abc8Q~…", ("Q~",),
        re.compile(r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{24,40}"),
    ),
    Shape(
        "Telegram bot", "123456789:AA…", (":AA",),
        re.compile(r"(?<!\d)\d{8,12}:AA[\w-]{24,}"),
    ),
    Shape(
        "password of an Oracle address", "jdbc:oracle:thin:scott/…@host", (":thin:", ":oci:"),
        re.compile(r"(:(?:thin|oci):[^\s/@\"']{1,64}+/)[^\s@\"']{1,256}+(?=@)"), rf"\1{REDACTED}",
    ),
    Shape(
        "password hash (crypt)", "$6$salt$hash", ("$",),
        re.compile(r"\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|apr1|argon2\w{0,2}|pbkdf2[\w-]{0,16}|scrypt)"
                   r"\$[\w./$+,=:-]{8,}"),
    ),
    _hook("Slack web hook", "hooks.slack.com", r"/(?:services|workflows|triggers)/"),
    _hook("Discord web hook", "discord.com", r"/api/(?:v\d{1,3}/)?webhooks/(?:\d{1,32}/)?"),
    _hook("Discord web hook", "discordapp.com", r"/api/(?:v\d{1,3}/)?webhooks/(?:\d{1,32}/)?"),
    _hook("Microsoft Teams web hook", "webhook.office.com", r"/webhookb2/"),
    _hook("Microsoft Teams web hook", "outlook.office.com", r"/webhook/"),
    _hook("Telegram bot", "api.telegram.org", r"/(?:file/)?bot"),
    _hook("Zapier web hook", "hooks.zapier.com", r"/hooks/"),
    _hook("IFTTT web hook", "maker.ifttt.com", r"/trigger/[^\s/\"']{1,128}/(?:json/)?with/key/"),
    _hook("PagerDuty", "events.pagerduty.com", r"/integration/"),
    _hook("Feishu web hook", "open.feishu.cn", r"/open-apis/bot/v2/hook/"),
    Shape(
        "web hook of a chat", "https://…/hooks/…", ("/hooks/",),
        re.compile(r"(/hooks/)(?=[\w-]{0,64}\d)[A-Za-z0-9]{20,}(?:/[A-Za-z0-9]{16,})?"),
        rf"\1{REDACTED}",
    ),
    Shape(
        "stream key", "rtmp://host/app/…", ("rtmp://", "rtmps://"),
        re.compile(r"(rtmps?://[^\s/\"'@]{1,253}+/[^\s/\"'?]{1,128}+/)[^\s\"'?/]{8,}"),
        rf"\1{REDACTED}",
    ),
    Shape(
        "authorization scheme", "Bearer …, Basic …", ("earer", "EARER", "asic", "ASIC"),
        re.compile(r"(?i)\b(bearer|basic)(\s{1,8})[A-Za-z0-9._~+/=-]{8,}"), rf"\1\2{REDACTED}",
    ),
    Shape(
        "key in an address", "?sig=…, &X-Amz-Signature=…, ?key=…", ("?", "&"),
        re.compile(r"(?i)([?&](?:sig|signature|x-amz-signature|x-goog-signature|key|code)=)"
                   r"[^\s&\"'#]+"), rf"\1{REDACTED}",
    ),
)  # fmt: skip
"""The shapes in the order in which they are looked for."""


def _marked() -> str:
    """Return an expression for the marks of all shapes, those of one first letter together."""
    anywhere: list[str] = []
    by_letter: dict[str, list[str]] = {}
    for mark in dict.fromkeys(mark for shape in SHAPES for mark in shape.marks):
        if mark[0].isalnum() and mark not in _INSIDE:
            by_letter.setdefault(mark[0], []).append(re.escape(mark[1:]))
        else:
            anywhere.append(re.escape(mark))
    starts = "|".join(f"{letter}(?:{'|'.join(rest)})" for letter, rest in by_letter.items())
    return f"{'|'.join(anywhere)}|(?<![A-Za-z0-9])(?:{starts})"


_INSIDE = frozenset({"earer", "EARER", "asic", "ASIC", "Q~"})
"""Marks that stand within a word."""

_MARKED = re.compile(_marked())
_NOT_PLAIN = re.compile(rf"[\s:=@<(]|{_marked()}")


def is_plain(text: str) -> bool:
    """Return whether a text is one word in which no secret can be."""
    return _NOT_PLAIN.search(text) is None


_AUTHORITY = re.compile(r"://([^\s/?#\"'`<>|\\]*)")
_REST_OF_PASSWORD = re.compile(r"[^\s\"'`@<>|\\]{1,256}@")
_PORT = re.compile(r"\d{0,5}|[${%].*", re.DOTALL)
_TOKEN_AS_USER = 16
"""Characters from which on a user without a password is taken for a token."""

_LOGIN = re.compile(
    r"(?:(?<=[\s\"'`@/,;=])|\A)([^\s\"'`@/,;=:]{0,64}+):([^\s@/\"'`]{1,128}+)@"
    r"(?=(?:[a-z]{1,16}+)?\(|/|[\w-]{1,64}+(?![\w.-])|[\w.-]{1,253}?(?::\d|/))"
)
"""``user:password@host`` and ``user:password@tcp(host)``. Without a dot a host may stand alone:
``name:thing@example.com`` may be an address of another kind."""

_NO_USERS = frozenset(
    {"acct", "author", "cc", "contact", "domain", "email", "from", "git", "group", "im", "jdbc",
     "mailto", "owner", "serviceaccount", "sip", "sips", "ssh", "to", "user", "xmpp"}
)  # fmt: skip
"""What stands before the colon of an address that has no password: ``mailto:a@b``."""

_PROTOCOL = re.compile(r"[a-z]{0,16}+\(")
_DIGESTS = ("sha256:", "sha384:", "sha512:")


def without_shapes(text: str) -> str:
    """Replace every secret that is known by its own look."""
    if _MARKED.search(text) is not None:
        for shape in SHAPES:
            for mark in shape.marks:
                if mark in text:
                    text = shape.pattern.sub(shape.replacement, text)
                    break
    if "@" in text:
        if "://" in text:
            text = _without_userinfo(text)
        text = _without_login(text)
    return text


def _without_userinfo(text: str) -> str:
    """Replace the password in URLs, or a user that can only be a token."""
    parts: list[str] = []
    end = 0
    for match in _AUTHORITY.finditer(text):
        start = match.start(1)
        if start < end:
            continue
        user, at, _ = match[1].rpartition("@")
        if not at:
            user, colon, port = match[1].partition(":")
            if not colon or user.startswith("[") or _PORT.fullmatch(port):
                continue
            # A password with a slash in it: the address goes on behind it.
            rest = _REST_OF_PASSWORD.match(text, match.end(1))
            if rest is None:
                continue
            parts += (text[end:start], user, ":", REDACTED)
            end = rest.end() - 1
            continue
        name, colon, password = user.partition(":")
        if colon and password:
            parts += (text[end:start], name, ":", REDACTED)
        elif not colon and len(user) >= _TOKEN_AS_USER:
            parts += (text[end:start], REDACTED)
        else:
            continue
        end = start + len(user)
    return "".join((*parts, text[end:])) if parts else text


def _without_login(text: str) -> str:
    """Replace the password of ``user:password@host``."""
    return _LOGIN.sub(_login, text)


def _login(match: re.Match[str]) -> str:
    user, password = match.groups()
    # Before a protocol and a parenthesis it is a login: "user:S@tcp(db)".
    mail = user.lower() in _NO_USERS and _PROTOCOL.match(match.string, match.end()) is None
    if mail or match.string.startswith(_DIGESTS, match.end()):
        return match[0]
    return match[0] if password == REDACTED else f"{user}:{REDACTED}@"
