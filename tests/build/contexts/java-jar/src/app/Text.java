package app;

class Text {
    static String of(int n) {
        return n == 1 ? "single" : "many";
    }
}
