// UNTESTED here. Spring Security 6.4+: the token request with the parameters in the query, where bunq documents them.
//
// spring.security.oauth2.client.registration.bunq.* come from the Secret (format: ServiceBinding, type oauth2,
// provider bunq, if you use Spring Cloud Bindings), with
//   client-authentication-method: client_secret_post
//   authorization-grant-type: authorization_code
//   redirect-uri: exactly the registered one, for example https://myapp.com/login/oauth2/code/bunq
// bunq has no user-info endpoint: use oauth2Client(), not oauth2Login(), or bring an OAuth2UserService of your own.

import java.net.URI;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.converter.FormHttpMessageConverter;
import org.springframework.security.oauth2.client.endpoint.OAuth2AccessTokenResponseClient;
import org.springframework.security.oauth2.client.endpoint.OAuth2AuthorizationCodeGrantRequest;
import org.springframework.security.oauth2.client.endpoint.RestClientAuthorizationCodeTokenResponseClient;
import org.springframework.security.oauth2.core.http.converter.OAuth2AccessTokenResponseHttpMessageConverter;
import org.springframework.web.client.RestClient;
import org.springframework.http.client.support.HttpRequestWrapper;

@Configuration
class SpringTokenClient {

    @Bean
    OAuth2AccessTokenResponseClient<OAuth2AuthorizationCodeGrantRequest> bunqTokenClient() {
        var rest = RestClient.builder()
            .messageConverters(converters -> {
                converters.clear();
                converters.add(new FormHttpMessageConverter());
                converters.add(new OAuth2AccessTokenResponseHttpMessageConverter());
            })
            // Moves the form into the query and sends an empty body.
            .requestInterceptor((request, form, execution) -> execution.execute(new HttpRequestWrapper(request) {
                @Override
                public URI getURI() {
                    return URI.create(request.getURI() + "?" + new String(form, java.nio.charset.StandardCharsets.UTF_8));
                }
            }, new byte[0]))
            .build();
        var client = new RestClientAuthorizationCodeTokenResponseClient();
        client.setRestClient(rest);
        return client;
    }
}
