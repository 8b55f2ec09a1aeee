"""How secrets look, as texts: their starts, their names, and what tells their lines.

Only texts, so that importing it costs nothing.
"""

from __future__ import annotations

_A, _W, _H = "[A-Za-z0-9]", r"[\w-]", "[0-9a-f]"

PLAIN = (
    (r"sk-(?:ant|proj|svcacct|admin|or|lf)-", _W, 8),  # OpenAI, Anthropic, OpenRouter
    (r"[sr]k_(?:live|test)_", _A, 8),  # Stripe
    ("whsec_", "[A-Za-z0-9+/]", 16),
    ("gh[pousr]_", _A, 16),
    ("github_pat_", r"\w", 16),
    (r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt)-", r"[\w.-]", 12),
    ("GR1348941", _W, 12),
    ("ATBB", _A, 20),  # Bitbucket
    ("AT[AC]TT3", r"[\w=-]", 20),
    (r"xox[abeoprs](?:\.xox[bp])?-", _W, 8),
    (r"xapp-\d-", _W, 8),
    ("AIza", _W, 30),
    (r"ya29\.", r"[\w.-]", 16),
    ("1//0", _W, 24),  # refresh token of Google
    ("GOCSPX-", _W, 16),
    ("dckr_[po]at_", _W, 12),
    ("do[opr]_v1_", _H, 24),
    ("dapi", _H, 30),
    ("hv[sbr]\\.", r"[\w-]", 20),  # Vault
    ("AGE-SECRET-KEY-1", "[A-Z0-9]", 16),
    ("nvapi-", _W, 24),
    ("lsv2_(?:pt|sk)_", r"\w", 16),
    ("wandb_v1_", r"\w", 16),
    ("gl(?:c|sa)_", r"[\w+/=]", 24),  # Grafana
    ("pcsk_", r"\w", 24),
    ("shp(?:at|ca|pa|ss)_", _H, 24),
    ("sntry[su]_", r"[\w+/=]", 24),
    ("PMAK-", _W, 24),
    (r"tskey-\w{2,10}-", _W, 12),
    (r"pscale_(?:tkn|pw|oauth)_", r"[\w.-]", 24),
    ("dp\\.(?:pt|st|ct)\\.", r"[\w.-]", 24),
    ("rubygems_", _H, 32),
    ("figd_", _W, 24),
    (r"key-(?=[0-9a-f]{32}(?![0-9a-f]))", _H, 32),  # Mailgun
    ("(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)", r"[\w+/=%-]", 16),  # AWS session
    ("eyJhcGlf", r"[\w+/=-]", 16),  # Neptune: base64 of JSON
    ("fm[12][ar]?_lJPE", r"[\w+/=-]", 16),  # Fly
    ("NRAK-", "[A-Z0-9]", 20),  # New Relic
    ("cmVmdGtu", r"[\w+/=-]", 24),  # Artifactory: base64 of `reftkn`
    ("pul-", _H, 32),  # Pulumi
    ("sq0(?:atp|csp)-", _W, 20),  # Square
    (r"jina_(?=[A-Za-z0-9]{32})", _W, 32),
    ("e2b_", _H, 32),
    ("ls__", _H, 24),  # LangSmith
)
"""Starts that are no words, the characters that follow, and how many at least."""

MIXED = (
    ("hf_", _A, 16),
    ("api_org_", _A, 20),
    ("npm_", _A, 20),
    ("pypi-", _W, 32),
    ("r8_", _A, 20),
    ("gsk_", _A, 20),
    ("pplx-", _A, 20),
    ("xai-", _A, 20),
    ("fw_", _A, 22),
    ("tvly-", _W, 20),
    ("secret_", _A, 32),  # Notion
    ("ntn_", _A, 32),
    ("pn[ub]_", _A, 24),  # Prefect
    ("lin_api_", _A, 24),
    ("sbp_", _H, 32),
    ("KGAT_", _A, 20),  # Kaggle
    ("LTAI", _A, 12),  # Alibaba
    ("AKCp", _A, 24),  # Artifactory
    ("csk-", _A, 32),  # Cerebras
)
"""Starts that names may have too: the rest must look drawn by lot."""

PASSWORDS = r"pass[_-]?word|passwd|pass[_-]?phrase|pwd|store[_-]?pass|key[_-]?pass|sshpass"


def _as_bytes(text: str) -> str:
    """Return the bytes of a text in UTF-8, each as one character: so lines are searched."""
    return text.encode().decode("latin-1")


CRYPT = r"1|2[abxy]|5|6|7|y|gy|apr1|argon2(?:id?|d)"
"""Between two dollar signs at the start of a hashed password."""
FOREIGN = "|".join(
    (
        "passwort|kennwort|mot[ _-]de[ _-]passe|motdepasse|senha|parola|wachtwoord",
        _as_bytes("contrase(?:n|ñ|Ñ)a") + "|contrase[\xf1\xd1]a",
        _as_bytes("(?:П|п)ароль|ПАРОЛЬ|密码|密碼|パスワード|비밀번호"),
    )
)
"""Password in other languages, in UTF-8, of which each byte is one character."""
WIDE_COLON = _as_bytes("(?:：|＝)")
WIDE_BLANK = _as_bytes("(?:\u00a0|\u202f|\u3000)")
KEYS = (
    r"api[_-]?key|apikey|access[_-]?key|private[_-]?key|secret[_-]?key|account[_-]?key"
    r"|shared[_-]?access[_-]?signature|shared[_-]?key|encryption[_-]?key|signing[_-]?key"
    r"|subscription[_-]?key|munge[_-]?key|client[_-]?key[_-]?data"
)
OWN_KEYS = "(?:hmac|ssh|master|deploy)[_-]?key"
"""Keys that are secrets where they are assigned; as options they may name one."""
HELD = r"token|pass[_-]?(?:word|phrase)|passwd|secret|api[_-]?key|credential"
"""Words that tell a secret also where its name goes on behind them."""
COLUMNS = (
    "pass[_-]?word|passwd|pass[_-]?phrase|pwd|secret(?:[_-]?key)?|client[_-]?secret"
    "|api[_-]?key|access[_-]?key|(?:access|auth|api|refresh)[_-]?token"
)
"""Names of columns with secrets in a table."""

_TOKENS = (
    "|".join(start.partition("(?=")[0] for start, _, _ in (*PLAIN, *MIXED) if start != "secret_")
    + r"|sk-|SK[0-9a-f]{32}|eyJ|SG\.|\.[\w-]{6}\.[\w-]{27}|[0-9]{8}:[\w-]{34}"
    r"|[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}|[0-9a-f]{16}-us[0-9]|\.atlasv1\.|pat\w{14}\.|8Q~"
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]|[A-Za-z0-9+/]==|secret_[A-Za-z0-9]{16}"
    r"|hooks\.slack\.com|/api/webhooks/|webhook\.office|api\.telegram|(?i:wandb\b.*[0-9a-f]{40}|wandb\s+login\s.*\w{32})"
    r"|(?i:key\\*\"\s*:\s*\\*\"[0-9a-f]{32})"
)
_AFTER = rf"\\*['\"]?\]?(?:{WIDE_BLANK}?\s*(?:[=:>,]|[+?]=|<<?-|{WIDE_COLON})|%3|\s+(?i:is|was)\s)"
_NAMES = (
    r"(?i:pass[_-]?word|passwd|pass[_-]?phrase|pwd|store[_-]?pass|key[_-]?pass|sshpass|secret|"
    + FOREIGN
    + r"|credential|token|api[_-]?auth|auth[_-]?key|"
    + f"{KEYS}|{OWN_KEYS}"
    + r")"
    r"(?i:s?[_-]?[a-z0-9]{0,8}[_-]?[a-z0-9]{0,8})\\*['\"]?\]?"
    r"(?i:\s*(?:[=:]|[+?]=|<<?-)|%3[ad]|>|\s+(?:is|was)\s|['\"]?\s*,\s*['\"]"
    + rf"|{WIDE_BLANK}?\s*(?:{WIDE_COLON}|[:=]))"
    + r"|(?:(?i:pass)(?:[_-]?(?i:[0-9]{1,3}|prod|dev|old|new|value))?"
    r"|(?:_PASS|_KEY|_PAT)[Ss]?(?:_?[0-9]{1,3}|_[A-Za-z0-9]{1,7}){0,2})"
    + _AFTER
    + r"|(?i:pw(?:[_-]?[a-z0-9]{1,8})?)\\*['\"]?\]?\s*(?:[+?]?[=:]|<<?-)"
    r"|\b(?i:setenv|set\s+-[a-z]*x[a-z]*)\s"
    + rf"|(?i:(?:{COLUMNS})['\"]?[,;\t]|[,;\t]['\"]?(?:{COLUMNS}))"
    + r"|-(?i:pass|(?:[a-z0-9_-]*[_-])?(?:pass(?:wd|[_-]?word|[_-]?phrase)?|pwd|sshpass"
    r"|(?:store|key)[_-]?pass|secrets?|credentials?|token|auth|"
    + FOREIGN
    + "|"
    + KEYS
    + r"))(?:\s|['\"]\s*,)"
    + rf"|(?i:(?:{HELD})s?(?:[_.-][a-z0-9]{{1,40}}){{1,6}}\\*['\"]?\]?\s*(?:[=:]|[+?]=|%3d))"
    + rf"|(?i:(?:--(?:[a-z0-9]{{1,20}}[_-]){{0,4}}|\benv\s+\w*)(?:{HELD})s?(?:[_.-][a-z0-9]+)+\s)"
)
_PLACES = (
    r"//[^\s/'\"]*@|[\w.+-]:[^\s:/@'\"]+@[\w-]+\.\w|jdbc:oracle|sqlplus"
    r"|(?i:auth\\*['\"]?\s*[:=]\s*\\*['\"]?[a-z0-9+/_-]{8})"
    r"|(?i:oracle|ora-[0-9]|sqlldr|expdp|impdp).*/[^\s/@]+@"
    r"|(?i:(?:auth|creds?|credentials?|login)\\*['\"]?\s*[=:]?\s*[(\[]\s*[bu]?\\*['\"])"
    r"|(?i:[?&;](?:sig|key|auth|code|x-amz|x-goog|awsaccess|api"
    r"|access|id_|id-|idtoken|refresh|client)[a-z_-]*(?:=|%3d)|%26(?:sig|key|auth|code)"
    r"|authorization|cookie|x-(?:api|auth|vault|amz|goog|subscription)|-token|apim-subscription"
    r"|bearer(?:\s|%20)|negotiate\s|flyv1\s|basic(?:\s|%20))"
    r"|\b(?:sshpass|docker|podman|mongo\w*|mosquitto_pub|singularity|apptainer|mysql\w*|redis-cli"
    r"|7z[ar]?|zip|unzip|ldap\w+|openssl|ipmitool|curl|lftp|smbclient|wget|http|mount\.cifs)\W.*-"
    r"|xfreerdp|\b(?:echo|printf)\s.*\||\b(?i:password|passphrase)\s|:(?:[0-9]{4,5}|\*):[A-Za-z0-9_*-]+:[\w*.-]+:"
    r"|(?i:(?:aes(?:128|256)-|arcfour-|rc4-|des3-).*[0-9a-f]{32})|\$(?:"
    + CRYPT
    + r")\$|\{S(?:SHA|MD5)"
    r"|(?i:[?&;](?:signature|token|password|passwd|pwd|secret)(?:=|%3d))"
)
_BLOCKS = r"PRIVATE KEY|Private-(?:Lines|MAC)|[A-Za-z0-9+/]{60}"

PREFILTER = f"{_TOKENS}|{_NAMES}|{_PLACES}|{_BLOCKS}"
"""Occurs in each line that holds a secret; the same for `re` and RE2."""
KEY_PREFILTER = _BLOCKS
"""Occurs in each line that may belong to a private key."""
