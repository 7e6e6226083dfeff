// What tests need raw sockets for; Linux, root.
//   wire capture [IF]   every IPv4 UDP packet that comes in on an interface (lo if left out), to stdout
//   wire inject         packets from stdin, sent as they are, whatever their source address
// A packet is its length (4 bytes, big endian) and its bytes from the IP header on.
// build: gcc -O2 -o wire wire.c
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LARGEST = 65536, IP_UDP = 17 };

static unsigned char packet[LARGEST];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int capture(const char *interface) {
  int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
  if (fd < 0) fail("socket");
  struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = if_nametoindex(interface) };
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) fail("bind");
  int room = 64 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  fprintf(stderr, "capturing\n");
  for (;;) {
    struct sockaddr_ll from;
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &size);
    if (length < 0) fail("recvfrom");
    // Loopback shows every packet twice, as it leaves and as it arrives.
    if (from.sll_pkttype == PACKET_OUTGOING || length < 28 || packet[9] != IP_UDP) continue;
    uint32_t head = htonl((uint32_t)length);
    fwrite(&head, sizeof head, 1, stdout);
    fwrite(packet, (size_t)length, 1, stdout);
    fflush(stdout);
  }
}

static int inject(void) {
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (fd < 0) fail("socket");
  uint32_t head;
  while (fread(&head, sizeof head, 1, stdin) == 1) {
    size_t length = ntohl(head);
    if (length < 28 || length > sizeof packet || fread(packet, length, 1, stdin) != 1) {
      fprintf(stderr, "not a packet\n");
      return 1;
    }
    size_t udp = (packet[0] & 15) * 4u;
    if (udp + 8 > length) continue;
    // On loopback checksums are left unfinished; 0 means none.
    packet[udp + 6] = packet[udp + 7] = 0;
    struct sockaddr_in to = { .sin_family = AF_INET };
    memcpy(&to.sin_addr, packet + 16, 4);
    if (sendto(fd, packet, length, 0, (struct sockaddr *)&to, sizeof to) < 0) fail("sendto");
  }
  return 0;
}

int main(int count, char **words) {
  if (count > 1 && count < 4 && !strcmp(words[1], "capture")) return capture(count == 3 ? words[2] : "lo");
  if (count == 2 && !strcmp(words[1], "inject")) return inject();
  fprintf(stderr, "usage: wire capture [interface]|inject\n");
  return 2;
}
