#!/usr/bin/env bash
# Makes sure that the machine has what building and testing need. Quick when all is there.
#
# Debian packages are installed when a program is missing and we are root; on other systems, or
# without root, it says what to install.
set -euo pipefail

# program:package
needed=(
  cc:build-essential git:git curl:curl python3:python3 openssl:openssl
  Xvnc:tigervnc-standalone-server xterm:xterm dbus-daemon:dbus xauth:xauth
  chromium:chromium npm:npm redis-server:redis-server
  sshd:openssh-server ssh:openssh-client nsenter:util-linux
  systemd-nspawn:systemd-container debootstrap:debootstrap nft:nftables ip:iproute2
  dpkg-deb:dpkg strip:binutils nginx:nginx
)

missing=()
for entry in "${needed[@]}"; do
  command -v "${entry%%:*}" >/dev/null 2>&1 || missing+=("${entry#*:}")
done
# Libraries, which are not found as programs.
[ -d /var/lib/extrausers ] || missing+=(libnss-extrausers)
compgen -G '/lib/*/security/pam_google_authenticator.so' >/dev/null || compgen -G '/usr/lib/*/security/pam_google_authenticator.so' >/dev/null || missing+=(libpam-google-authenticator)
python3 -c 'import ensurepip' >/dev/null 2>&1 || missing+=(python3-venv)
command -v go >/dev/null 2>&1 || missing+=(golang-go)
if ! command -v cargo >/dev/null 2>&1 && [ ! -x "$HOME/.cargo/bin/cargo" ]; then missing+=(rustup); fi

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "error: these packages are missing: ${missing[*]}" >&2
    echo "       on Debian: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  echo "installing ${missing[*]} (about a minute, once)"
  log=$(mktemp)
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "error: apt-get could not install ${missing[*]}; its last lines are above" >&2
    echo "       without a rustup package (Debian 12 and older), install Rust as rustup.rs says, then run this again" >&2
    exit 1
  fi
  rm -f "$log"
  # Tests start their own; the distribution's would hold the port and run for nothing.
  for service in redis-server nginx; do
    case " ${missing[*]} " in
      *" $service "*) if [ -d /run/systemd/system ]; then systemctl disable --now "$service.service" >/dev/null 2>&1 || true; fi ;;
    esac
  done
fi

# The sign-in provider that tests run.
oidc=$(dirname "${BASH_SOURCE[0]}")/oidc
if [ ! -d "$oidc/node_modules" ]; then
  npm ci --prefix "$oidc" --no-audit --no-fund --loglevel=error >/dev/null || {
    echo "error: the sign-in provider of the tests could not be installed: npm ci --prefix tests/oidc" >&2
    exit 1
  }
fi
