import sys


def main():
    print(sys.prefix, *sys.argv[1:])
