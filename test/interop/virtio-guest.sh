#!/usr/bin/env bash
# A driver that is not veth: boots Debian's cloud kernel in an emulated machine with a virtio-net card of several queues and RSS,
# and runs virtio-guest.ts in it. Usage: bash test/interop/virtio-guest.sh [QUEUES]. Needs root, and the packages
# qemu-system-x86, busybox-static, cpio, ethtool, iproute2 (the kernel's package is downloaded and unpacked, not installed). Exits 0
# when everything was as predicted, 1 when not, 77 with the reason when it cannot run. Leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."

queues=${1:-2}
kernel=${MTCP_GUEST_KERNEL:-linux-image-6.12-cloud-amd64}
netns=mtcp-t-guest-$$
work=$(mktemp -d)
qemu=
client=

cleanup() {
  [ -z "$client" ] || kill "$client" 2>/dev/null || true
  [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
  [ -z "$qemu" ] || wait "$qemu" 2>/dev/null || true
  ip netns del "$netns" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
skip() { echo "skipped: $*"; exit 77; }

[ "$(id -u)" = 0 ] || skip 'needs root'
for program in qemu-system-x86_64 busybox cpio dpkg-deb ethtool ip xz; do
  command -v "$program" >/dev/null || skip "needs the program $program"
done
[ -c /dev/net/tun ] || skip 'needs /dev/net/tun'
[ -f build/test/interop/virtio-guest.js ] || skip 'not built: run `npm run build`'

# The kernel, either a metapackage or one of a certain version.
package=$(apt-cache depends "$kernel" 2>/dev/null | awk '/Depends: linux-image/ { print $2; exit }')
chmod 755 "$work"
(cd "$work" && apt-get download -qq "${package:-$kernel}" 2>/dev/null) || skip "the package $kernel cannot be had"
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
vmlinuz=$(echo "$work"/kernel/boot/vmlinuz-*)

# The guest's file system: busybox, Node.js and ethtool with their libraries, the driver, this package and what it depends on.
root=$work/root
mkdir -p "$root"/{bin,sbin,proc,sys,dev,tmp,lib/modules,repo}
cp "$(command -v busybox)" "$root/bin/busybox"
copy_libraries() {
  ldd "$1" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    [ -e "$root$library" ] || cp -L "$library" "$root$library"
  done
}
for program in node ethtool; do
  cp -L "$(command -v "$program")" "$root/bin/"
  copy_libraries "$(command -v "$program")"
done
for addon in node_modules/@yuuang/ffi-rs-linux-*/*.node; do copy_libraries "$addon"; done
# In the order in which they load; some kernels have some of them built in.
modules=(virtio/virtio_ring virtio/virtio virtio/virtio_pci_modern_dev virtio/virtio_pci_legacy_dev virtio/virtio_pci
  core/failover net/net_failover net/virtio_net)
for module in "${modules[@]}"; do
  file=$(find "$work/kernel/lib/modules" -path "*/$module.ko*")
  case $file in
    '') ;;
    *.xz) xz -dc "$file" >"$root/lib/modules/${module##*/}.ko" ;;
    *) cp "$file" "$root/lib/modules/" ;;
  esac
done
cp -r bin build package.json "$root/repo/"
npm ls --omit=dev --all --parseable 2>/dev/null | tail -n +2 | while read -r folder; do
  mkdir -p "$root/repo/${folder#"$PWD/"}"
  cp -rT "$folder" "$root/repo/${folder#"$PWD/"}"
done
cat >"$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev 2>/dev/null
mkdir -p /dev/shm && ln -sf /proc/self/fd /dev/fd
for module in ${modules[*]##*/}; do [ ! -f /lib/modules/\$module.ko ] || insmod /lib/modules/\$module.ko; done
ip link set lo up
ip addr add 10.78.0.2/24 dev eth0
ip link set eth0 up
echo 'MTCP {"step":"booted"}'
export PATH=/bin:/sbin
cd /repo && node build/test/interop/virtio-guest.js $queues 2>&1
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet) >"$work/initrd"

# The wire: a tap of as many queues, in a namespace of its own, with this kernel behind it as the peer.
mac=52:54:00:12:34:56
ip netns add "$netns"
in_netns() { ip netns exec "$netns" "$@"; }
ip -n "$netns" tuntap add tap0 mode tap multi_queue
ip -n "$netns" addr add 10.78.0.1/24 dev tap0
ip -n "$netns" link set tap0 up
ip -n "$netns" neigh add 10.78.0.10 lladdr "$mac" dev tap0

console=$work/console
start=$(date +%s)
# Native XDP wants the card to leave packets as they are. `vectors`: two for each queue, one for control, one for changes.
in_netns qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp "$queues" -m 1536 -nodefaults -no-reboot -display none \
  -kernel "$vmlinuz" -initrd "$work/initrd" -append 'console=ttyS0 quiet panic=-1' -serial "file:$console" \
  -netdev "tap,id=wire,ifname=tap0,script=no,downscript=no,queues=$queues,vhost=off" \
  -device "virtio-net-pci,netdev=wire,mac=$mac,mq=on,rss=on,vectors=$((queues * 2 + 2)),guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off,ctrl_guest_offloads=off" \
  2>"$work/qemu-said" &
qemu=$!

# Follows the guest's lines, and sends what it waits for.
seen=0
fetched=no
while :; do
  total=$(grep -c '^MTCP' "$console" 2>/dev/null || true)
  while [ "${total:-0}" -gt "$seen" ]; do
    seen=$((seen + 1))
    line=$(grep '^MTCP' "$console" | sed -n "${seen}p" | tr -d '\r')
    echo "$(($(date +%s) - start)) s: ${line#MTCP }"
    case $line in
      *'"step":"ready"'*)
        first=$(echo "$line" | sed 's/.*"firstPort":\([0-9]*\).*/\1/')
        [ -z "$client" ] || kill "$client" 2>/dev/null || true
        ip netns exec "$netns" node build/test/support/flows.js syn 10.78.0.10 80 "$first" 200 &
        client=$!
        ;;
      *'"step":"serving"'*)
        kill "$client" 2>/dev/null || true
        in_netns node -e "
          require('node:net').connect(80, '10.78.0.10').on('data', (bytes) => {
            console.log('fetched', bytes.length, 'bytes');
            process.exit();
          }).on('error', (error) => { console.log(error.message); process.exit(1); }).write('x');
          setTimeout(() => process.exit(1), 20000);
        " && fetched=yes
        ;;
      *'"step":"end"'*)
        [ "$fetched" = yes ] || echo 'nothing could be fetched from the stack in the guest'
        case $line$fetched in *'"good":true'*yes) exit 0 ;; esac
        tail -20 "$console" >&2
        exit 1
        ;;
    esac
  done
  if ! kill -0 "$qemu" 2>/dev/null; then
    cat "$work/qemu-said" >&2
    tail -20 "$console" >&2 || true
    exit 1
  fi
  if [ $(($(date +%s) - start)) -gt 280 ]; then
    echo 'the guest takes too long' >&2
    tail -20 "$console" >&2 || true
    exit 1
  fi
  sleep 0.2
done
