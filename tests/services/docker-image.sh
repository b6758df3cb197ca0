#!/bin/bash
# docker-image.sh TAG: makes a small image (about 95 MB, 2 s) from this machine's Python, bash and busybox; no registry is asked.
# Needs: apt-get install -y busybox-static; DOCKER_HOST as for docker itself.
set -euo pipefail
tag=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python=${PYTHON:-python3}
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
mkdir -p "$root"/{bin,usr/bin,usr/local,lib,lib64,etc/ssl/certs,tmp,root,proc,sys,dev,var/tmp,home}
chmod 1777 "$root/tmp" "$root/var/tmp"

cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"; done
cp /bin/bash "$root/bin/bash"
ln -s /bin/env "$root/usr/bin/env"

# CPython finds its prefix from where it lies, so it can be moved to /usr/local
tar -C "$prefix" --exclude='*/test' --exclude='*/tests' --exclude=idlelib --exclude=tkinter --exclude=__pycache__ \
  --exclude='lib/*/config-*' --exclude='*.a' --exclude="lib/$version/site-packages" --exclude='_tkinter*' \
  -c "bin/$version" "lib/$version" | tar -C "$root/usr/local" -x
packages=lib/$version/site-packages
mkdir -p "$root/usr/local/$packages"
for package in "$prefix/$packages"/pip "$prefix/$packages"/pip-*.dist-info; do
  [ -e "$package" ] && cp -a "$package" "$root/usr/local/$packages/"
done
for name in python3 python; do ln -sf "$version" "$root/usr/local/bin/$name"; done

# the shared libraries of all of these, where the loader looks for them
for file in /bin/bash "$prefix/bin/$version" "$root"/usr/local/lib/"$version"/lib-dynload/*.so; do ldd "$file" 2>/dev/null || true; done |
  awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-linux/ {print $1}' | sort -u | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
[ -e /etc/ssl/certs/ca-certificates.crt ] && cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"

tar -C "$root" -c . | docker import -c "ENV PATH=/usr/local/bin:/bin:/usr/bin LD_LIBRARY_PATH=$prefix/lib" \
  -c "ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt" -c 'CMD ["python3"]' - "$tag" >/dev/null
echo "$tag"
