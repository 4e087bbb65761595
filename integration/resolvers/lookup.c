/* Looks one name up the way the C library does, both families at once, and prints its addresses; without a name, prints musl's version. */
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>

/* musl has no public name for it. */
extern const char __libc_version[];

int main(int count, char **arguments) {
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    char text[64];
    if (count != 2)
        return puts(__libc_version) == EOF;
    int error = getaddrinfo(arguments[1], NULL, &hints, &found);
    if (error) {
        fprintf(stderr, "%s\n", gai_strerror(error));
        return 1;
    }
    for (; found; found = found->ai_next)
        if (!getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            puts(text);
    return 0;
}
