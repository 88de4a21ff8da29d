"""The cluster's certificates, made with openssl: one authority, a server pair a listener, a client pair a component."""

import base64
import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.command import output, program

_DAYS = "3650"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """A folder that holds an authority and all it signed. Certificates appear whole or not at all."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """The authority's own certificate."""
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        """The authority's own key."""
        return self.folder / "ca.key"

    def pair(self, name: str, subject: str, alternatives: str = "") -> Pair:
        """A pair for ``subject`` (like ``/O=group/CN=user``), made once; ``alternatives`` as in subjectAltName."""
        made = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        if made.certificate.exists():
            return made
        self.ensure()
        request, scratch, extensions = (self.folder / f"{name}.{end}" for end in ("csr", "new", "ext"))
        _new_key(made.key)
        output([program("openssl"), "req", "-new", "-key", made.key, "-out", request, "-subj", subject])
        usage = "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
        extensions.write_text(usage + (f"subjectAltName={alternatives}\n" if alternatives else ""))
        signer: list[str | Path] = ["-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", _DAYS]
        output([program("openssl"), "x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", scratch])
        scratch.rename(made.certificate)
        return made

    def service_account_keys(self) -> Pair:
        """The key that signs ServiceAccount tokens, and its public half in place of a certificate."""
        made = Pair(self.folder / "sa.pub", self.folder / "sa.key")
        if not made.certificate.exists():
            self.ensure()
            _new_key(made.key)
            scratch = self.folder / "sa.new"
            output([program("openssl"), "pkey", "-in", made.key, "-pubout", "-out", scratch])
            scratch.rename(made.certificate)
        return made

    def kubeconfig(self, name: str, server: str, pair: Pair) -> Path:
        """Write a kubeconfig that holds all it needs, so that it can be copied."""
        path = self.folder / f"{name}.kubeconfig"
        text = yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "paritygate",
                "clusters": [
                    {
                        "name": "paritygate",
                        "cluster": {"server": server, "certificate-authority-data": encoded(self.certificate)},
                    }
                ],
                "users": [
                    {
                        "name": name,
                        "user": {
                            "client-certificate-data": encoded(pair.certificate),
                            "client-key-data": encoded(pair.key),
                        },
                    }
                ],
                "contexts": [{"name": "paritygate", "context": {"cluster": "paritygate", "user": name}}],
            }
        )
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            path.chmod(0o600)
        return path

    def ensure(self) -> None:
        """Make the authority itself, once."""
        if self.certificate.exists():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        _new_key(self.key)
        scratch = self.folder / "ca.new"
        subject = ["-subj", "/CN=paritygate-test-cluster", "-days", _DAYS]
        output([program("openssl"), "req", "-x509", "-new", "-key", self.key, *subject, "-out", scratch])
        scratch.rename(self.certificate)


def encoded(path: Path) -> str:
    """A file's bytes in base64, as Secrets and kubeconfigs want them."""
    return base64.b64encode(path.read_bytes()).decode()


def _new_key(path: Path) -> None:
    output([program("openssl"), "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
    path.chmod(0o600)
