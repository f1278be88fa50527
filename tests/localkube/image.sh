#!/bin/bash
# Builds a container image without Docker and, when the cluster is up, imports it.
#
#   image.sh [options] NAME:TAG
#     --suite SUITE          Debian base (trixie, forky ...); default: none, an empty image.
#                            No manual pages, documentation (except copyright files) or translations
#     --package PKG          Debian package on top of the base; repeatable
#     --run CMD              shell command run in the image after the packages; repeatable
#     --tree FOLDER          copy what is in the folder to /; repeatable
#     --file SRC:DEST[:MODE] copy a file or folder; repeatable
#     --dir PATH[:MODE[:UID]] make an empty folder; repeatable
#     --user UID[:GID]       numeric, so that runAsNonRoot can be checked
#     --env K=V  --workdir D --entrypoint ARG (repeatable)  --cmd ARG (repeatable)
#     --stop-signal SIG      what the runtime sends to end a container; default SIGTERM
#
# Three layers: base, packages and commands, files. The first two are kept in the cache under a hash
# of their inputs; the whole image is skipped when nothing that goes in has changed. A build that was
# interrupted goes on at the step it was in. A name without a registry host is taken by the kubelet as
# a Docker Hub name, so call local images localhost/NAME:TAG.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

suite= stack= pkgs=() runs=() trees=() files=() dirs=() pack=() args=("$@")
while [ $# -gt 1 ]; do
  case $1 in
    --suite) suite=$2 ;;
    --package) pkgs+=("$2") ;;
    --run) runs+=("$2") ;;
    --tree) trees+=("$2") ;;
    --file) files+=("$2") ;;
    --dir) dirs+=("$2") ;;
    --user | --env | --workdir | --entrypoint | --cmd | --stop-signal) pack+=("$1=$2") ;;
    *) die "unknown option $1" ;;
  esac
  shift 2
done
name=${1:?NAME:TAG is missing}
case $name in -*) die "NAME:TAG is missing" ;; esac
[ "$(id -u)" = 0 ] || die "must run as root: files in an image belong to several users"

L=$LOCALKUBE_CACHE/layers R=$LOCALKUBE_CACHE/rootfs
mkdir -p "$L" "$R" "$LOCALKUBE_CACHE/images"
archive=$LOCALKUBE_CACHE/images/$(tr '/:' '__' <<<"$name").tar
t0=$SECONDS

size() { du -h "$1" | cut -f1; }
# import_archive: containerd gets the archive unless it has the very same image under this name.
import_archive() {
  if [ ! -S "$CONTAINERD_SOCK" ]; then log "$name: $(size "$archive"), $1 (the cluster is down: not imported)"; return; fi
  local digest have
  read -r _ digest <"$archive.key"
  have=$(ctr images ls "name==$name" | awk 'NR == 2 { print $3 }')
  if [ "$have" = "$digest" ]; then log "$name: $(size "$archive"), $1"; return; fi
  ctr images import "$archive" >/dev/null || die "$name: containerd could not import $archive"
  # What had the name before would stay for ever: the node's clean-up of images is off.
  have=$(ctr images ls | awk 'NR > 1 { if ($1 ~ /^sha256:/) id[$1] = $3; else named[$3] }
    END { for (i in id) if (!(id[i] in named)) print i }')
  [ -z "$have" ] || ctr images rm --sync $have >/dev/null || log "old images could not be removed"
  log "$name: $(size "$archive"), $1, imported ($((SECONDS - t0)) s)"
}

# The hash of everything that goes in: the arguments, the files behind them, and the packer.
inputs() {
  printf '%s\n' "${args[@]}"
  local f src
  for f in "${files[@]}"; do
    src=${f%%:*}
    [ -e "$src" ] || die "$name: $src is missing"
    find -L "$src" -type f -print0
  done | sort -z | xargs -0r sha256sum
  for f in "${trees[@]}"; do
    [ -d "$f" ] || die "$name: $f is missing"
    (cd "$f" && find . \( -type f -printf '%m %p\n' -exec sha256sum {} \; \) -o -printf '%m %p %l\n' | sort)
  done
  cat "$here/pack.py" "$here/image.sh"
}
key=$(inputs | sha256sum | cut -c1-24)
known() { [ -e "$archive" ] && [ "$(cut -d' ' -f1 "$archive.key" 2>/dev/null)" = "$key" ]; }
if known; then import_archive unchanged; exit 0; fi

need debootstrap=debootstrap python3=python3
lock image
if known; then import_archive unchanged; exit 0; fi   # built by another while this one waited
rm -rf -- "$L"/tmp.*                                  # of builds that were killed
tmp=$(mktemp -d "$L/tmp.XXXXXX")
trap 'rm -rf -- "$tmp"' EXIT
layers=()
failed() { grep -E '^(E:|Err|W: Fail)|error' "$1" | tail -5 >&2 || tail -5 "$1" >&2; die "$name: $2 failed; all of its output is in $1"; }
layer() { python3 "$here/pack.py" layer "$1" "$tmp/l.tar" && mv "$tmp/l.tar" "$2"; }

if [ -n "$suite" ]; then
  if [ ! -d "$R/$suite" ]; then
    log "Debian $suite: debootstrap (about 40 s, once)"
    rm -rf -- "$R/$suite.tmp"
    # debootstrap may be older than the suite: every later one works with the script for sid
    boot=${DEBOOTSTRAP_DIR:-/usr/share/debootstrap}
    if [ ! -e "$boot/scripts/$suite" ]; then
      cp -rs "$boot" "$tmp/debootstrap"
      ln -s sid "$tmp/debootstrap/scripts/$suite"
      boot=$tmp/debootstrap
    fi
    mkdir -p "$LOCALKUBE_CACHE/apt/$suite/bootstrap"
    DEBOOTSTRAP_DIR=$boot debootstrap --variant=minbase --cache-dir="$LOCALKUBE_CACHE/apt/$suite/bootstrap" \
      "$suite" "$R/$suite.tmp" ${LOCALKUBE_MIRROR:-} >"$R/$suite.log" 2>&1 || failed "$R/$suite.log" "debootstrap $suite"
    (
      cd "$R/$suite.tmp"
      rm -rf var/cache/apt/*.bin var/cache/apt/archives/*.deb var/lib/apt/lists/*
      rm -rf usr/share/man/* usr/share/info/* usr/share/locale/* var/log/*.log
      find usr/share/doc -mindepth 1 -not -type d -not -name copyright -delete
      printf 'path-exclude=/usr/share/%s\n' 'man/*' 'info/*' 'locale/*' 'doc/*' 'help/*' 'gtk-doc/*' >etc/dpkg/dpkg.cfg.d/slim
      printf 'path-include=/usr/share/doc/*/copyright\n' >>etc/dpkg/dpkg.cfg.d/slim
      # the Release file of a suite in development is signed but soon past its date
      printf 'Acquire::Check-Valid-Until "false";\nAcquire::Retries "3";\nAPT::Install-Recommends "false";\n' >etc/apt/apt.conf.d/90localkube
      # released suites have security updates; one in development has not
      if [ "$suite" != forky ]; then
        sed -i -E 's#^deb (.*)/debian/? (\S+) main.*#&\ndeb \1/debian-security \2-security main\ndeb \1/debian \2-updates main#' etc/apt/sources.list
      fi
    )
    mv "$R/$suite.tmp" "$R/$suite"
  fi
  if [ ! -e "$L/$suite.tar" ]; then layer "$R/$suite" "$L/$suite.tar"; fi
  layers+=("$L/$suite.tar")
fi

if [ ${#pkgs[@]} -gt 0 ] || [ ${#runs[@]} -gt 0 ]; then
  [ -n "$suite" ] || die "--package and --run need --suite"
  base=$(python3 "$here/pack.py" digest "$L/$suite.tar")
  stack=$suite-$(printf '%s\n' "$base" "${pkgs[@]}" -- "${runs[@]}" | sha256sum | cut -c1-16)
  if [ ! -e "$L/$stack.tar" ]; then
    log "$name: installing ${#pkgs[@]} packages and what they need (1 to 3 min, once)"
    cache=$LOCALKUBE_CACHE/apt/$suite
    mkdir -p "$tmp"/{up,work,root} "$cache/cache/archives/partial" "$cache/lists/partial"
    # an own mount namespace: nothing stays mounted, whatever happens
    unshare --mount --propagation private bash -ec '
      t=$1 base=$2 cache=$3 pkgs=$4; shift 4
      mount -t overlay -o "lowerdir=$base,upperdir=$t/up,workdir=$t/work" layer "$t/root"
      mount -t proc proc "$t/root/proc"
      mount -t tmpfs tmp "$t/root/tmp"
      mount --bind "$cache/cache" "$t/root/var/cache/apt"; mount --bind "$cache/lists" "$t/root/var/lib/apt/lists"
      mount --bind /etc/resolv.conf "$t/root/etc/resolv.conf"
      printf "#!/bin/sh\nexit 101\n" >"$t/root/usr/sbin/policy-rc.d"; chmod 755 "$t/root/usr/sbin/policy-rc.d"
      export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
      if [ -n "$pkgs" ]; then
        chroot "$t/root" apt-get -qq update
        chroot "$t/root" apt-get -qq -o APT::Sandbox::User=root -o Dpkg::Options::=--force-unsafe-io install -y --no-install-recommends $pkgs
      fi
      for c; do chroot "$t/root" sh -ec "$c"; done
      rm -f "$t/root/usr/sbin/policy-rc.d"' \
      build "$tmp" "$R/$suite" "$cache" "${pkgs[*]}" "${runs[@]}" >"$L/$stack.log" 2>&1 || failed "$L/$stack.log" "installing packages"
    layer "$tmp/up" "$L/$stack.tar"
  fi
  layers+=("$L/$stack.tar")
fi

if [ ${#trees[@]} -gt 0 ] || [ ${#files[@]} -gt 0 ] || [ ${#dirs[@]} -gt 0 ]; then
  mkdir "$tmp/files"; chmod 755 "$tmp/files"
  for t in "${trees[@]}"; do
    cp -r --no-preserve=ownership "$t/." "$tmp/files/"
    chmod -R u=rwX,go=rX "$tmp/files"
  done
  for f in "${files[@]}"; do
    IFS=: read -r src dest mode <<<"$f"
    mkdir -p "$(dirname "$tmp/files/$dest")"
    cp -rL "$src" "$tmp/files/$dest"
    if [ -n "$mode" ]; then chmod "$mode" "$tmp/files/$dest"; fi
  done
  for d in "${dirs[@]}"; do
    IFS=: read -r path mode owner <<<"$d"
    mkdir -p "$tmp/files/$path"; chmod "${mode:-755}" "$tmp/files/$path"
    if [ -n "$owner" ]; then chown "$owner:$owner" "$tmp/files/$path"; fi
  done
  find "$tmp/files" -exec touch -h -d @0 {} +     # the same content gives the same layer
  python3 "$here/pack.py" layer "$tmp/files" "$tmp/files.tar"
  layers+=("$tmp/files.tar")
fi

rm -f "$archive.key"
# A stack of packages that no image uses any more is several hundred MB.
old=$(cat "$archive.stack" 2>/dev/null || true)
echo "${stack:-none}" >"$archive.stack"
# No pipe into grep: it ends with its first hit, and the broken pipe would count as none.
if [ -n "$old" ] && ! grep -qxF "$old" "$LOCALKUBE_CACHE"/images/*.stack; then rm -f -- "$L/$old".tar*; fi
digest=$(python3 "$here/pack.py" image "${pack[@]}" --name="$name" --output="$archive" "${layers[@]}")
echo "$key $digest" >"$archive.key"
import_archive built
