"""Secrets are taken out, and ordinary text stays."""

from __future__ import annotations

import pytest

from llm_scheduler.logs import redact


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("OPENAI_API_KEY=sk-proj-abcdefghijklmnop1234567890", "sk-proj-abcdef"),
        ("using sk-" + "ant-" + "api03-" + "Zz19" * 8, "Zz19Zz19"),
        ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
        ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalr"),
        ("postgresql://user:hunter2@db.example.org/x", "hunter2"),
        ("git clone https://x-token:ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com/a", "ghp_"),
        ("Authorization: Bearer abc.def-ghi_jkl", "abc.def"),
        ('headers={"Authorization": "token 0123456789abcdef"}', "0123456789abcdef"),
        ("password=hunter2", "hunter2"),
        ("password: 'correct horse battery'", "battery"),
        ('{"api_key": "abcdef123456"}', "abcdef123456"),
        ("mysql --password hunter22 -u me", "hunter22"),
        ("GET /data?token=abcdef123&x=1", "abcdef123"),
        ("HF_TOKEN=hf_abcdefghijklmnopqrstuvwx", "hf_abc"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123", "eyJzdWIi"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\nxyz\n-----END RSA PRIVATE KEY-----", "MIIabc"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz", "b3BlbnNz"),
        ("WANDB_API_KEY: 0123456789abcdef0123456789abcdef01234567", "0123456789abcdef"),
    ],
)
def test_secrets(text, secret):
    assert secret in text
    assert secret not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "SyntaxError: invalid token: unexpected",
        "KeyError: 'SLURM_NTASKS'",
        "KeyError: 'password'",
        "max_tokens=4096, n_tokens=12",
        '  File "/home/me/tokenizer.py", line 12, in tokenize',
        "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-11-20T19:28:54 DUE TO TIME LIMIT ***",
        "http://localhost:8888/lab",
        "sort_key=energy",
        "-" * 200,
    ],
)
def test_ordinary_text_stays(text):
    assert redact(text) == text


def test_it_is_stable():
    once = redact("password=hunter2 and Bearer abcdefghijk at https://a:b@c.org")
    assert redact(once) == once
