public class Main {
    public static void main(String[] words) {
        System.out.println(ModuleLayer.boot().modules().size() + " " + System.getProperty("java.home"));
    }
}
