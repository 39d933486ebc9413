#!/usr/bin/env bash
# Installs what the interop tests need on Debian, as root: peers, traffic makers, and an independent decoder.
# What is there already stays as it is.
set -euo pipefail
packages=(
  curl ethtool iproute2 iperf3 iputils-ping perl-base nftables python3-scapy tcpdump tshark # of every test
  ppp pppoe xl2tpd                                                      # peers that run in the lab's guest, and here
  l2tpns softether-vpnserver softether-vpncmd                       # peers that run here
  dnsmasq-base                                                      # a name server
  wide-dhcpv6-client dhcpcd-base                                    # clients of DHCPv6 prefix delegation
  chromium fish zsh                                                 # the page for people, and shells that complete commands
  prometheus                                                        # promtool
  python3-venv                                                      # schemathesis, see below
  debootstrap                                                       # a Debian with a systemd of its own
  freeradius freeradius-utils                                       # a RADIUS server, and radclient
)
command -v go > /dev/null || packages+=(golang-go)
command -v gcc > /dev/null || packages+=(gcc libc6-dev)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

# Makes requests from the API's description; from PyPI, in a folder of its own.
if ! command -v schemathesis > /dev/null; then
  python3 -m venv /opt/schemathesis
  /opt/schemathesis/bin/pip install -q schemathesis==4.32.5
  ln -s /opt/schemathesis/bin/schemathesis /usr/local/bin/schemathesis
fi

# go-l2tp's daemons, as go.sum pins them. kpppoed looks for kl2tpd in this folder.
for daemon in kl2tpd kpppoed ql2tpd; do
  [ -x "/usr/sbin/$daemon" ] ||
    (cd "$(dirname "$0")/support/go-l2tp" && go build -o /usr/sbin/ "github.com/katalix/go-l2tp/cmd/$daemon")
done
