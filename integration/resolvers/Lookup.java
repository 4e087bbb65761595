/** Looks one name up as every Java program does, both families at once, and prints its addresses. */
public final class Lookup {
    public static void main(String[] arguments) throws java.io.IOException {
        for (var address : java.net.InetAddress.getAllByName(arguments[0])) {
            System.out.println(address.getHostAddress());
        }
    }
}
