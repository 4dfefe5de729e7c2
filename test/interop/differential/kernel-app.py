"""The program on the kernel's side of the differential tests: makes the calls that it reads, one JSON list per line, and answers
each with a JSON list [value, errno name or null]. Sockets have names and do not block."""
import errno, json, socket, struct, sys

TCP_CONGESTION = 13
sockets = {}


def stream(position, length):
    return bytes((p * 7 + (p >> 8)) & 255 for p in range(position, position + length))


def keep(name, sock):
    sock.setblocking(False)
    sockets[name] = {"sock": sock, "written": 0, "read": 0}
    return sock.fileno()


def call(name, what, args):
    if what == "socket":
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, b"reno")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return keep(name, sock)
    if what == "forget":
        for each in sockets.values():
            each["sock"].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each["sock"].close()
        sockets.clear()
        return 0
    state = sockets[name]
    sock = state["sock"]
    if what == "bind":
        sock.bind(("0.0.0.0", int(args[0])))
    elif what == "listen":
        sock.listen(int(args[0]))
    elif what == "accept":
        return keep(args[0] if args else "c", sock.accept()[0])
    elif what == "connect":
        ip, port = args[0].split(":")
        sock.connect((ip, int(port)))
    elif what == "port":
        return sock.getsockname()[1]
    elif what == "read":
        data = sock.recv(int(args[0]))
        if data != stream(1 + state["read"], len(data)):
            raise ValueError("wrong bytes")
        state["read"] += len(data)
        return len(data)
    elif what == "write":
        sent = sock.send(stream(1 + state["written"], int(args[0])))
        state["written"] += sent
        return sent
    elif what == "shutdown":
        sock.shutdown({"RD": 0, "WR": 1, "RDWR": 2}[args[0]])
    elif what == "nodelay":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(args[0]))
    elif what == "so_error":
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "")
    elif what in ("close", "abort"):
        if what == "abort":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        del sockets[name]
    else:
        raise ValueError(what)
    return 0


for line in sys.stdin:
    name, what, args = json.loads(line)
    try:
        answer = [call(name, what, args), None]
    except OSError as error:
        answer = [-1, errno.errorcode.get(error.errno, str(error.errno))]
    except Exception as error:  # a mistake of the test, told where it is seen
        answer = [-2, repr(error)]
    print(json.dumps(answer), flush=True)
